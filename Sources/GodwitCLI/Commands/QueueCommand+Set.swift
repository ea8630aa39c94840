import ArgumentParser
import GodwitCore
import GodwitHTTP

extension QueueCommand {
    struct Set: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a queue's settings, creating it if it is new; the others stay.",
            discussion: """
                  godwit queue set emails --max-jobs 1000 --max-bytes 67108864
                  godwit queue set events --retention none
                  godwit queue set emails --max-wait 30s --max-deliveries 5 --dead-letter-queue dead
                  godwit queue set clicks --max-jobs 100000 --overflow drop_oldest --ttl 1h
                  godwit queue set emails --retain-succeeded 1h --default lease
                """
        )

        @Argument(help: "The queue.")
        var queue: String
        @Option(help: "The most unfinished jobs.")
        var maxJobs: Int?
        @Option(help: "The most bytes of unfinished jobs.")
        var maxBytes: Int?
        @Option(help: "Attempts of a job whose publisher says nothing.")
        var maxAttempts: Int?
        @Option(
            help: ArgumentHelp("The longest that a new job may be expected to wait; over it publishing is refused.", valueName: "duration")
        )
        var maxWait: DurationText?
        @Option(help: ArgumentHelp("What a bound does: reject new jobs, or drop_oldest for them.", valueName: "policy"))
        var overflow: Overflow?
        @Option(help: ArgumentHelp("How long after it could first run a job expires if it was not started.", valueName: "duration"))
        var ttl: DurationText?
        @Option(help: "Deliveries of a job, crashes and releases among them; then it is set aside as failed.")
        var maxDeliveries: Int?
        @Option(help: ArgumentHelp("Where a message goes for each job that fails for good, expires or is dropped.", valueName: "queue"))
        var deadLetterQueue: String?
        @Option(help: ArgumentHelp("How long a lease lasts whose taker says nothing.", valueName: "duration"))
        var lease: DurationText?
        @Option(help: ArgumentHelp("none: keep nothing of jobs that ended.", valueName: "none"), completion: .list(["none"]))
        var retention: Retention?
        @Option(help: ArgumentHelp("How long succeeded and cancelled jobs are kept.", valueName: "duration"))
        var retainSucceeded: DurationText?
        @Option(help: ArgumentHelp("How long failed and expired jobs are kept.", valueName: "duration"))
        var retainFailed: DurationText?
        @Option(help: ArgumentHelp("How many ended jobs are kept.", valueName: "count"))
        var retainCount: Int?
        @Option(help: ArgumentHelp("How long an idempotency key is remembered.", valueName: "duration"))
        var dedupWindow: DurationText?
        @Option(help: "The most idempotency keys remembered.")
        var dedupMax: Int?
        @Option(
            name: .customLong("default"),
            parsing: .singleValue,
            help: ArgumentHelp("Take this setting back to its default, such as max-jobs; repeatable.", valueName: "setting")
        )
        var defaults: [String] = []
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        enum Retention: String, ExpressibleByArgument { case none }
        enum Overflow: String, ExpressibleByArgument, CaseIterable {
            case reject
            case dropOldest = "drop_oldest"
        }

        func validate() throws {
            guard retention == nil || (retainSucceeded == nil && retainFailed == nil && retainCount == nil) else {
                throw ValidationError("--retention none excludes the --retain options")
            }
            var names: Swift.Set<String> = []
            for (name, _) in members where !names.insert(name).inserted {
                throw ValidationError("\(name.replacing("_", with: "-")) is set twice, or set and taken back: say one")
            }
            guard !members.isEmpty else { throw ValidationError("nothing to set: name at least one setting, such as --max-jobs 1000") }
        }

        /// The settings as a merge patch (RFC 7396): null takes one back to its default.
        var members: [(name: String, value: Setting)] {
            var members: [(String, Setting)] = []
            func add(_ name: String, _ value: Setting?) {
                if let value { members.append((name, value)) }
            }
            add("max_jobs", maxJobs.map(Setting.number))
            add("max_bytes", maxBytes.map(Setting.number))
            add("max_attempts", maxAttempts.map(Setting.number))
            add("lease", (lease?.text).map(Setting.text))
            add("retention", (retention?.rawValue).map(Setting.text))
            var kept: [(String, Setting)] = []
            if let retainSucceeded { kept.append(("succeeded", .text(retainSucceeded.text))) }
            if let retainFailed { kept.append(("failed", .text(retainFailed.text))) }
            if let retainCount { kept.append(("count", .number(retainCount))) }
            if !kept.isEmpty { add("retention", .object(kept)) }
            add("dedup_window", (dedupWindow?.text).map(Setting.text))
            add("dedup_max", dedupMax.map(Setting.number))
            add("max_wait", (maxWait?.text).map(Setting.text))
            add("overflow", (overflow?.rawValue).map(Setting.text))
            add("ttl", (ttl?.text).map(Setting.text))
            add("max_deliveries", maxDeliveries.map(Setting.number))
            add("dead_letter_queue", deadLetterQueue.map(Setting.text))
            for setting in defaults { add(setting.replacing("-", with: "_"), .null) }
            return members
        }

        indirect enum Setting {
            case number(Int)
            case text(String)
            case null
            case object([(name: String, value: Setting)])

            func write(to json: inout JSONWriter) {
                switch self {
                case .number(let number): json.integer(number)
                case .text(let text): json.string(text)
                case .null: json.null()
                case .object(let members):
                    json.object { json in
                        for (name, value) in members {
                            json.key(name)
                            value.write(to: &json)
                        }
                    }
                }
            }
        }

        func run() async throws {
            try await store.withStore(creating: true) { store in
                let settings = JSONWriter.bytes { Setting.object(members).write(to: &$0) }
                let queue = try await store.configure(queue, settings: settings)
                for line in output.json ? [queue.text] : QueueText.lines(queue) { try Output.line(line) }
            }
        }
    }
}
