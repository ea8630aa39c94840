import GodwitCore
import GodwitWire
import Testing

@testable import GodwitRemote

@Suite("The table of watches")
struct WatchTableTests {
    private var table: WatchTable<Int>
    private let start = ContinuousClock.now
    private let item = WatchItem.job(JobID("j"), known: Version(1))

    init() throws { table = WatchTable(try RemoteConfiguration(url: ServerURL("http://localhost:1"))) }

    private enum Seen: Hashable {
        case open(UInt64, soon: Bool)
        case post(String, [UInt64])
        case rest(atLeast: Duration)
        case close
        case answer(Int, BrokerError.Code?)
    }

    private func seen(_ actions: [WatchTable<Int>.Action]) -> [Seen] {
        actions.map { action in
            switch action {
            case .open(let number, let wait): .open(number, soon: wait == .zero)
            case .post(_, let stream, let requests):
                .post(stream, requests.map { if case .watch(let number, _, _) = $0 { number } else { 1_000 } })
            case .rest(_, let wait): .rest(atLeast: .seconds(wait.components.seconds))
            case .close: .close
            case .answer(let ticket, let answer): .answer(ticket, answer.code)
            }
        }
    }

    private mutating func watch(_ ticket: Int, wait: Duration = .seconds(30), at now: ContinuousClock.Instant? = nil) -> [Seen] {
        seen(table.watch(table.draw(), item, wait: wait, ticket: ticket, at: now ?? start))
    }

    private mutating func receive(_ event: WatchEvent, from stream: UInt64 = 1, at now: ContinuousClock.Instant? = nil) -> [Seen] {
        seen(table.received(event, from: stream, at: now ?? start, random: 1))
    }

    private mutating func opens(_ stream: UInt64, _ now: ContinuousClock.Instant) -> Bool { table.opens(stream, at: now) }
    private mutating func drop(_ number: UInt64) -> (ticket: Int, actions: [WatchTable<Int>.Action])? { table.drop(number, at: start) }

    private mutating func open(_ stream: UInt64 = 1, _ id: String = "a", at now: ContinuousClock.Instant? = nil) -> [Seen] {
        #expect(opens(stream, now ?? start))
        return receive(.opened(stream: id), from: stream, at: now)
    }

    @Test("the first watch opens a stream, all share it, and requests for watches go one at a time")
    mutating func sharing() {
        #expect(watch(1) == [.open(1, soon: true)])
        #expect(watch(2) == [])
        #expect(open() == [.post("a", [1, 2])])
        #expect(watch(3) == [])
        #expect(watch(4) == [])
        #expect(seen(table.posted(1)) == [.post("a", [3, 4])])
        #expect(seen(table.posted(1)) == [])
        #expect(receive(.answered(number: 3, .unchanged)) == [.answer(3, nil)])
        #expect(receive(.answered(number: 3, .unchanged)) == [])
        #expect(receive(.refused(number: 1, .queueNotFound("q"))) == [.answer(1, .queueNotFound)])
        #expect(receive(.alive) == [])
        #expect(table.count == 2)
    }

    @Test("a lost stream is opened again after a while, and asked for all watches that are open")
    mutating func reopening() {
        _ = watch(1)
        _ = open()
        _ = watch(2)
        #expect(seen(table.lost(1, .lost("cut"), at: start, random: .max / 2)) == [.close, .open(2, soon: false)])
        // What the lost one says late is nobody's business.
        #expect(seen(table.posted(1)) == [])
        #expect(receive(.answered(number: 1, .unchanged), from: 1) == [])
        #expect(seen(table.lost(1, .lost("cut"), at: start, random: .max / 2)) == [])
        #expect(watch(3) == [])
        #expect(open(2, "b", at: start + .seconds(1)) == [.post("b", [1, 2, 3])])
    }

    @Test("a server that stops says when to come back")
    mutating func stopping() {
        _ = watch(1)
        _ = open()
        let actions = table.received(.closing(retryAfter: .seconds(2)), from: 1, at: start, random: 1)
        #expect(seen(actions) == [.close, .open(2, soon: false)])
        guard case .open(_, let wait)? = actions.last else { return }
        #expect(wait >= .seconds(2))
    }

    @Test("a watch that nobody waits for is taken back")
    mutating func dropping() {
        _ = watch(1)
        #expect(drop(1)?.ticket == 1)
        #expect(drop(1) == nil)
        _ = watch(2)
        #expect(open() == [.post("a", [2])])
        let dropped = table.drop(2, at: start)
        #expect(dropped?.ticket == 2)
        #expect(dropped.map { seen($0.actions) } == [])
        #expect(seen(table.posted(1)) == [.post("a", [1_000])])
    }

    @Test("a wait ends here, too, when the server does not say so")
    mutating func waiting() {
        _ = watch(1, wait: .seconds(3))
        _ = open()
        #expect(seen(table.tick(at: start + .seconds(4), random: 1)) == [])
        #expect(seen(table.posted(1)) == [])
        #expect(seen(table.tick(at: start + .seconds(8), random: 1)) == [.answer(1, nil), .post("a", [1_000])])
    }

    @Test("watches fail when no stream comes about, so that nobody watches a dead server for ever")
    mutating func unreachable() {
        _ = watch(1, wait: .seconds(20))
        _ = watch(2, wait: .seconds(60))
        #expect(opens(1, start))
        _ = table.lost(1, .unsent("refused"), at: start, random: 1)
        // The server may only be restarted: whoever waited to the end asks again.
        #expect(seen(table.tick(at: start + .seconds(21), random: 1)) == [.answer(1, nil)])
        #expect(watch(3, wait: .seconds(20), at: start + .seconds(21)) == [])
        #expect(Set(seen(table.tick(at: start + .seconds(31), random: 1))) == [.answer(2, .unavailable), .answer(3, .unavailable)])
        // Nobody watches: there is no further try.
        #expect(!opens(2, start + .seconds(31)))
        #expect(!table.isActive)
    }

    @Test("a server that takes no watches just now is asked again after a while, on the same stream, for those that are still waited for")
    mutating func busy() {
        _ = watch(1)
        _ = watch(2)
        #expect(open() == [.post("a", [1, 2])])
        let busy = BrokerError.busy("full", retryAfter: .seconds(3))
        #expect(seen(table.busy(1, busy, at: start, random: 1)) == [.rest(atLeast: .seconds(3))])
        #expect(watch(3) == [])
        _ = drop(1)
        #expect(seen(table.posts(1, at: start + .seconds(3))) == [.post("a", [2, 3, 1_000])])
        #expect(seen(table.posted(1)) == [])
        // Too late, or of an earlier stream.
        #expect(seen(table.posts(1, at: start + .seconds(4))) == [])
        #expect(seen(table.busy(7, busy, at: start, random: 1)) == [])
    }

    @Test("a server that opens streams and takes no watches is asked ever more seldom, and given up in the end")
    mutating func posting() {
        _ = watch(1, wait: .seconds(600))
        var now = start, streams = 0
        var actions: [WatchTable<Int>.Action] = [.open(1, after: .zero)]
        while table.count > 0 {
            guard case .open(let stream, let wait)? = actions.last else { return #expect(Bool(false), "\(actions)") }
            now += max(wait, .milliseconds(1))
            streams += 1
            _ = open(stream, "s\(stream)", at: now)
            actions = table.lost(stream, .lost("cut"), at: now, random: .max / 2)
            if seen(table.tick(at: now, random: 1)).contains(.answer(1, .unavailable)) { break }
        }
        #expect(streams < 40)
        #expect(table.count == 0 && now - start < .seconds(40))
    }

    @Test("what another try cannot change ends all watches at once")
    mutating func refused() {
        _ = watch(1)
        #expect(opens(1, start))
        let failure = ExchangeFailure.refused(BrokerError(.unauthorized, "no token"))
        #expect(seen(table.lost(1, failure, at: start, random: 1)) == [.close, .answer(1, .unauthorized)])
        #expect(!table.isActive)
        #expect(watch(2) == [.open(2, soon: true)])
    }

    @Test("a stream that falls silent is lost")
    mutating func silence() {
        _ = watch(1, wait: .seconds(600))
        _ = open()
        #expect(receive(.alive, at: start + .seconds(30)) == [])
        #expect(seen(table.tick(at: start + .seconds(70), random: 1)) == [])
        #expect(seen(table.tick(at: start + .seconds(76), random: .max / 2)) == [.close, .open(2, soon: false)])
    }

    @Test("a stream that nobody watches on is closed after a while")
    mutating func idleness() {
        _ = watch(1)
        _ = open()
        _ = seen(table.posted(1))
        _ = receive(.answered(number: 1, .unchanged), at: start)
        #expect(seen(table.tick(at: start + .seconds(20), random: 1)) == [])
        #expect(seen(table.tick(at: start + .seconds(31), random: 1)) == [.close])
        #expect(!table.isActive)
    }

    @Test("watches are bounded: one more is told to come back")
    mutating func bound() {
        for ticket in 0..<10_000 { _ = watch(ticket) }
        #expect(watch(10_000) == [.answer(10_000, .busy)])
        // They are asked for in parts.
        guard case .post(_, let first)? = open().first else { return #expect(Bool(false), "nothing is asked for") }
        #expect(first.count == 1_000)
    }

    @Test("closing ends all watches")
    mutating func closing() {
        _ = watch(1)
        _ = open()
        #expect(seen(table.close()) == [.close, .answer(1, .closed)])
        #expect(watch(2) == [.answer(2, .closed)])
    }
}
