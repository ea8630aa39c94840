import NIOCore
import Testing

@testable import GodwitServer

@Suite("A connection's time")
struct ConnectionTimingTests {
    private let limits = ConnectionLimits(request: .seconds(30), idle: .seconds(75), unread: 1_000)
    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(seconds) }

    @Test("the first request has the request time, from the connection's beginning for its head, from its head for its body")
    func reading() {
        var timing = ConnectionTiming()
        #expect(timing.began(now: at(0), limits: limits) == at(30))
        #expect(timing.headRead(now: at(10), limits: limits) == at(40))
        #expect(timing.bodyRead(5_000, limits: limits) == true)
        #expect(timing.deadline == at(40), "bytes that trickle do not buy time")
        #expect(timing.requestEnded(now: at(20), limits: limits) == nil, "now it is our turn")
        #expect(timing.responseEnded(now: at(50), limits: limits) == at(125))
    }

    @Test("an answer before the request's end leaves it the request time, and little room")
    func early() {
        var timing = ConnectionTiming()
        _ = timing.began(now: at(0), limits: limits)
        _ = timing.headRead(now: at(1), limits: limits)
        #expect(timing.responseEnded(now: at(2), limits: limits) == at(32))
        #expect(timing.bodyRead(1_000, limits: limits) == true)
        #expect(timing.bodyRead(1, limits: limits) == false)
        #expect(timing.requestEnded(now: at(3), limits: limits) == at(78))
    }

    @Test("a request that waits behind another one is given its time when its turn has come")
    func pipelined() {
        var timing = ConnectionTiming()
        _ = timing.began(now: at(0), limits: limits)
        _ = timing.headRead(now: at(1), limits: limits)
        #expect(timing.requestEnded(now: at(1), limits: limits) == nil)
        #expect(timing.headRead(now: at(2), limits: limits) == nil)
        #expect(timing.responseEnded(now: at(60), limits: limits) == at(90))
    }

    @Test("a client that does not take its answer has the idle time to begin")
    func stalled() {
        var timing = ConnectionTiming()
        _ = timing.began(now: at(0), limits: limits)
        _ = timing.headRead(now: at(1), limits: limits)
        _ = timing.requestEnded(now: at(1), limits: limits)
        #expect(timing.writabilityChanged(false, now: at(5), limits: limits) == at(80))
        #expect(timing.responseEnded(now: at(6), limits: limits) == at(80))
        #expect(timing.writabilityChanged(true, now: at(7), limits: limits) == at(82))
    }
}
