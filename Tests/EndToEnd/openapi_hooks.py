"""What schemathesis has to know of Godwit's interface that JSON Schema cannot say.

Nothing is left out here without the reason beside it.
"""

import re
from pathlib import Path

import schemathesis
from hypothesis import strategies

BATCH = "application/vnd.godwit.batch"
CORPUS = Path(__file__).resolve().parent.parent / "Corpus"

# A pattern of any number and a unit stands in the document, for people. What it may be at most is a comparison of numbers, which no pattern
# that people could read says: here it is spelled out, so that values are tried that the server is to take.
DAY = 86_400_000
RANGES = {"Duration": (0, 3_650 * DAY), "Span": (1, 3_650 * DAY), "LeaseTime": (100, 12 * 3_600_000), "TicketTime": (1_000, 7 * DAY)}
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY}


def numbers(least, most):
    """A regular expression of the whole numbers from `least`, which is 0 or a power of ten, to `most`, zeroes before them or not."""
    digits, kinds = str(most), []
    for place, digit in enumerate(digits):
        first = 1 if place == 0 else 0
        if int(digit) > first:
            rest = len(digits) - place - 1
            kinds.append(f"{digits[:place]}[{first}-{int(digit) - 1}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    kinds.append(digits)
    shortest = len(str(max(1, least)))
    if len(digits) > shortest:
        kinds.append(f"[1-9][0-9]{{{shortest - 1},{len(digits) - 2}}}")
    if least == 0:
        kinds.append("0")
    return f"0*({'|'.join(kinds)})"


def durations(least, most):
    """A regular expression of the durations in a range of milliseconds."""
    kinds = [numbers(-(-least // unit), most // unit) + name for name, unit in UNITS.items() if most >= unit]
    return f"^({'|'.join(kinds)})$"


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for name, (least, most) in RANGES.items():
        raw_schema["components"]["schemas"][name]["pattern"] = durations(least, most)


# Frames are no JSON, and hardly ever come of chance: the fuzzers' samples are sent, most of which are for another path than the one at hand.
# What is made of frames, wherever it comes from, is tried by libFuzzer.
@schemathesis.serializer(BATCH)
def batch(context, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.deserializer(BATCH)
def frames(context, response):
    # Some text: the document says no more of it.
    return response.content.decode("latin-1")


def samples(folder, beginning=b""):
    return strategies.sampled_from(sorted(data for file in (CORPUS / folder).iterdir() if (data := file.read_bytes()).startswith(beginning)))


schemathesis.openapi.media_type(BATCH, samples("batch"))
# A line of an export is described in docs/http.md: some are among the fuzzers' samples.
schemathesis.openapi.media_type("application/jsonl", samples("json", b'{"type"'))


@schemathesis.hook
def before_call(context, case, kwargs):
    # A request that waits for a minute is as right as one that waits for no time, and one run has a minute for all.
    if isinstance(case.query, dict) and re.fullmatch(durations(0, 3_650 * DAY), str(case.query.get("wait", ""))):
        case.query["wait"] = "10ms"
    if case.headers and "wait" in str(case.headers.get("Prefer", "")).lower():
        case.headers["Prefer"] = "wait=0"


@schemathesis.hook
def filter_case(context, case):
    # An event stream of a job that is there ends with the job, and nobody ends it meanwhile: those of jobs that are not there are asked for.
    # Tests/GodwitHTTPTests/EventTests.swift reads them.
    return case.operation.label != "GET /v1/jobs/{job}/events" or not re.fullmatch(r"[0-9a-z]{26}", str((case.path_parameters or {}).get("job")))


# Requests that the document allows and the server refuses, for a reason that JSON Schema has no words for: the code of the problem, what its
# detail says, and why it is right.
RIGHTLY_REFUSED = [
    ("invalid_argument", r"\d+ bytes: use at most", "limits of texts are in bytes, maxLength counts characters"),
    ("invalid_argument", r"has (1 to|at most) \d+ bytes", "as above"),
    ("invalid_argument", r"say a delay or a time to run at, not both", "one item of a query depends on another"),
    ("invalid_argument", r"transient", "as above"),
    ("invalid_argument", r"cursor", "a cursor is what the page before said, and nothing else"),
    ("invalid_argument", r"must be a string when content_type is", "which types are JSON is told by their names"),
    ("invalid_argument", r"is not the JSON that content_type says", "what is in base64 is told by another member"),
    ("invalid_argument", r"what is acknowledged is below", "two numbers in one text"),
    ("invalid_argument", r"dead_letter_queue must be another queue", "the path says which is its own"),
    ("invalid_argument", r"a batch says everything in its body", "with a body of frames there is no query"),
    ("invalid_argument", r"a batch says its session itself", "with a body of frames that header is left out"),
    ("invalid_argument", r"passed-over must be", "no more lines can be passed over than there are in the body"),
    ("invalid_json", r"", "a body that is typed as JSON and is none, where any type is taken"),
    ("invalid_batch", r"", "frames that are for another path"),
    ("key_conflict", r"", "the key was used for another request before"),
    ("job_forgotten", r"", "the job was forgotten before"),
    ("too_large", r"", "limits in bytes"),
    ("head_too_large", r"", "all of a query together"),
    ("invalid_argument", r"run_at must be at most 3650d from now", "what may be depends on the day"),
]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """False for a failure that is none."""
    kind = type(failure).__name__
    if kind == "AcceptedNegativeData":
        # These are refusals, too, for another reason than the one that was tried.
        return response.status_code not in (410, 413, 431)
    if kind not in ("RejectedPositiveData", "ServerError"):
        return True
    try:
        problem = response.json()
    except ValueError:
        return True
    if kind == "ServerError":
        # Back pressure: the run itself makes queues that take one job. It says when to come again.
        if problem.get("code") == "busy":
            return not any(name.lower() == "retry-after" for name in response.headers)
        # The one thing that can be said of a number that was acknowledged, or whose session has ended: it may have been done (docs/http.md).
        return problem.get("code") != "outcome_unknown" or "Godwit-Session" not in (case.headers or {})
    return not any(problem.get("code") == code and re.search(pattern, problem.get("detail", "")) for code, pattern, _ in RIGHTLY_REFUSED)
