import GodwitCore
import Testing

@testable import GodwitHTTP

@Suite("Tickets for watching one job")
struct WatchTicketTests {
    private let job = JobID("job-1"), now = Timestamp(milliseconds: 1_764_530_000_000)
    private let key = WatchKey(Array("0123456789abcdef0123456789abcdef".utf8))

    @Test("a ticket is good for its job, until its end")
    func good() throws {
        let keys = WatchKeys([key])
        let ticket = try #require(keys.ticket(for: job, until: now + .seconds(60)))
        #expect(keys.isGood(ticket, for: job, at: now))
        #expect(keys.isGood(ticket, for: job, at: now + .milliseconds(59_999)))
        #expect(!keys.isGood(ticket, for: job, at: now + .seconds(60)))
        #expect(!keys.isGood(ticket, for: JobID("job-2"), at: now))
        #expect(!WatchKeys([.random()]).isGood(ticket, for: job, at: now))
    }

    @Test("whatever is changed in it, it is good no more")
    func changed() throws {
        let keys = WatchKeys([key])
        let ticket = try #require(keys.ticket(for: job, until: now + .seconds(60)))
        for index in ticket.indices {
            var changed = ticket
            changed.replaceSubrange(index...index, with: ticket[index] == "0" ? "1" : "0")
            #expect(!keys.isGood(changed, for: job, at: now), "changed at \(ticket.distance(from: ticket.startIndex, to: index))")
        }
        for broken in ["", ".", "..", "a.b.c", String(ticket.dropLast()), ticket + "00", ticket + ".x"] {
            #expect(!keys.isGood(broken, for: job, at: now))
        }
    }

    @Test("a key that follows another is believed, and the one before it while it is kept")
    func rotation() throws {
        let keys = WatchKeys([key])
        let old = try #require(keys.ticket(for: job, until: now + .seconds(60)))
        let next = WatchKey.random()
        keys.replace(with: [next, key])
        let new = try #require(keys.ticket(for: job, until: now + .seconds(60)))
        #expect(new != old)
        #expect(keys.isGood(old, for: job, at: now) && keys.isGood(new, for: job, at: now))
        let streams = try #require(keys.tenure(of: old, for: job, at: now)), others = try #require(keys.tenure(of: new, for: job, at: now))
        #expect(streams.end == now + .seconds(60))
        keys.replace(with: [next])
        #expect(streams.isOver(at: now), "what its tickets opened ends with a key")
        #expect(!others.isOver(at: now))
        #expect(!keys.isGood(old, for: job, at: now) && keys.isGood(new, for: job, at: now))
    }
}
