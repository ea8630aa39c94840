import GodwitCore
import Testing

@testable import GodwitHTTP

@Suite("Tickets for watching one job")
struct WatchTicketTests {
    private let job = JobID("job-1"), now = Timestamp(milliseconds: 1_764_530_000_000)
    private let key = WatchKey(Array("0123456789abcdef0123456789abcdef".utf8))

    private func isGood(_ ticket: String, for other: JobID? = nil, at time: Timestamp? = nil, _ keys: WatchKeys) -> Bool {
        keys.tenure(of: ticket, for: other ?? job, at: time ?? now) != nil
    }

    @Test("a ticket is good for its job, until its end")
    func good() throws {
        let keys = WatchKeys([key])
        let ticket = try #require(keys.ticket(for: job, until: now + .seconds(60)))
        #expect(isGood(ticket, keys))
        #expect(isGood(ticket, at: now + .milliseconds(59_999), keys))
        #expect(!isGood(ticket, at: now + .seconds(60), keys))
        #expect(!isGood(ticket, for: JobID("job-2"), keys))
        #expect(!isGood(ticket, WatchKeys([.random()])))
    }

    @Test("whatever is changed in it, it is good no more")
    func changed() throws {
        let keys = WatchKeys([key])
        let ticket = try #require(keys.ticket(for: job, until: now + .seconds(60)))
        for index in ticket.indices {
            var changed = ticket
            changed.replaceSubrange(index...index, with: ticket[index] == "0" ? "1" : "0")
            #expect(!isGood(changed, keys), "changed at \(ticket.distance(from: ticket.startIndex, to: index))")
        }
        for broken in ["", ".", "..", "a.b.c", String(ticket.dropLast()), ticket + "00", ticket + ".x"] {
            #expect(!isGood(broken, keys))
        }
    }

    @Test("a key that follows another is believed, and the one before it while it is kept")
    func rotation() throws {
        let keys = WatchKeys([key])
        let old = try #require(keys.ticket(for: job, until: now + .seconds(60)))
        let next = WatchKey.random()
        #expect(keys.replace(with: [next, key]) == [next.name])
        let new = try #require(keys.ticket(for: job, until: now + .seconds(60)))
        #expect(new != old)
        #expect(isGood(old, keys) && isGood(new, keys))
        let streams = try #require(keys.tenure(of: old, for: job, at: now)), others = try #require(keys.tenure(of: new, for: job, at: now))
        #expect(streams.end == now + .seconds(60))
        #expect(keys.replace(with: [next, next]) == [key.name])
        #expect(streams.isOver(at: now), "what its tickets opened ends with a key")
        #expect(!others.isOver(at: now))
        #expect(!isGood(old, keys) && isGood(new, keys))
    }
}
