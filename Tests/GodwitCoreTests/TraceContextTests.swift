import GodwitCore
import Testing

@Suite("Trace contexts")
struct TraceContextTests {
    private static let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test(
        "what W3C takes for a traceparent is taken",
        arguments: [
            parent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes",
        ]
    )
    func good(_ parent: String) {
        #expect(TraceContext(parent: parent)?.headers == [Header(name: "traceparent", value: parent)])
    }

    @Test(
        "anything else is passed over",
        arguments: [
            "", "00", "00-1", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-\r\nX: y", " " + parent, parent + " ",
        ]
    )
    func bad(_ parent: String) { #expect(TraceContext(parent: parent, state: "a=b") == nil) }

    @Test(
        "a tracestate is taken member by member",
        arguments: [
            ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"), (" a=b , , c=d\t", "a=b,c=d"),
            ("fw529a3039@dt=FfAAAA, 4@x=1", "fw529a3039@dt=FfAAAA,4@x=1"),
        ]
    )
    func goodState(_ state: String, _ taken: String) { #expect(TraceContext(parent: Self.parent, state: state)?.state == taken) }

    @Test(
        "a tracestate that is none is left out, and the traceparent stays",
        arguments: [
            "", ",", "a", "=b", "a=", "A=b", "a=b,a=c", "a=b=c", "a b=c", "a=ü", "a=\u{1}",
            (0..<33).map { "k\($0)=v" }.joined(separator: ","), String(repeating: "k", count: 257) + "=v",
        ]
    )
    func badState(_ state: String) throws {
        let context = try #require(TraceContext(parent: Self.parent, state: state))
        #expect(context.state == nil && context.parent == Self.parent)
    }

    @Test("a tracestate that is too long loses its long members first, then those at its end")
    func longState() {
        let long = "long=" + String(repeating: "v", count: 250)
        let short = (0..<31).map { "k\($0)=0123456789abcdef" }
        let state = TraceContext(parent: Self.parent, state: ([long] + short).joined(separator: ","))?.state ?? ""
        #expect(state.utf8.count <= 512 && state.utf8.count > 490)
        #expect(state.hasPrefix("k0=0123456789abcdef,k1=") && !state.contains("long"))
    }

    @Test("a job's headers carry it")
    func headers() {
        let context = TraceContext(parent: Self.parent, state: "a=b")
        #expect(context.flatMap { TraceContext($0.headers + [Header(name: "x", value: "y")]) } == context)
        #expect(TraceContext([Header(name: "tracestate", value: "a=b")]) == nil)
    }
}
