import Testing

@testable import GodwitServer

@Suite("Wrong tokens are counted")
struct FailedTriesTests {
    private let start = ContinuousClock.now
    private let block = AddressBlock("192.0.2.1")

    /// Tries so many tokens that nobody has tried before.
    private func guess(_ tries: inout FailedTries, _ count: Int, from block: AddressBlock, as name: String = "guess") {
        for number in 0..<count { _ = tries.failed(block, TokenDigest(of: "\(name) \(number)"), now: start) }
    }

    @Test("an address has twenty tries, and one more a second, however often it has failed")
    func refill() {
        var tries = FailedTries()
        let another = TokenDigest(of: "another")
        guess(&tries, FailedTries.burst - 1, from: block)
        #expect(tries.wait(block, another, now: start) == nil)
        guess(&tries, 1, from: block, as: "last")
        #expect(tries.wait(block, another, now: start) == .seconds(1))
        #expect(tries.wait(block, another, now: start + .seconds(1)) == nil)
        // Those that were looked at all the same do not add up.
        guess(&tries, 3_600, from: block, as: "more")
        #expect(tries.wait(block, another, now: start) == .seconds(1))
        #expect(tries.wait(block, another, now: start + .seconds(1)) == nil)
    }

    @Test("the same wrong token once more is no guess")
    func repetition() {
        var tries = FailedTries()
        let digest = TokenDigest(of: "expired")
        #expect(tries.failed(block, digest, now: start) == true)
        for _ in 0..<100 { #expect(tries.failed(block, digest, now: start) == false) }
        #expect(tries.wait(block, TokenDigest(of: "another"), now: start) == nil)
        #expect(tries.failed(AddressBlock("192.0.2.2"), digest, now: start) == true, "but elsewhere it is")
    }

    @Test("a token that was right is looked at whatever others do there, until it is wrong")
    func wasRight() {
        var tries = FailedTries()
        let digest = TokenDigest(of: "good")
        tries.succeeded(block, digest)
        guess(&tries, FailedTries.burst, from: block)
        #expect(tries.wait(block, digest, now: start) == nil)
        #expect(tries.wait(AddressBlock("192.0.2.2"), digest, now: start) == nil)
        #expect(tries.failed(block, digest, now: start) == true)
        #expect(tries.wait(block, digest, now: start) == .seconds(1))
    }

    @Test("so much is remembered and no more; what goes on is not forgotten for what is new")
    func bounds() {
        var tries = FailedTries()
        let good = TokenDigest(of: "good")
        let guesser = AddressBlock("192.0.2.1")
        tries.succeeded(guesser, good)
        guess(&tries, FailedTries.burst, from: guesser)
        for number in 0..<(3 * FailedTries.mostAddresses) {
            let other = AddressBlock("10.\(number >> 16).\(number >> 8 & 255).\(number & 255)")
            _ = tries.failed(other, TokenDigest(of: "x"), now: start)
            if number % 1_000 == 0 {
                tries.succeeded(guesser, good)
                guess(&tries, 1, from: guesser, as: "still at it \(number)")
            }
        }
        #expect(tries.wait(guesser, TokenDigest(of: "next"), now: start) == .seconds(1))
        #expect(tries.wait(guesser, good, now: start) == nil)
        // The first of them are forgotten: one more try, and they would have nineteen left, not eighteen.
        let first = AddressBlock("10.0.0.0")
        guess(&tries, FailedTries.burst - 1, from: first)
        #expect(tries.wait(first, TokenDigest(of: "next"), now: start) == nil)
    }

    @Test("a table forgets what was not set for longest, half of it at a time")
    func table() {
        var table = RecentTable<Int, Int>(limit: 10)
        for number in 0..<100 {
            table.set(number, for: number)
            table.set(-1, for: -1)
            #expect((0...number).count { table[$0] != nil } <= 10)
            #expect(table[number] == number && table[-1] == -1)
            if number >= 3 { #expect(table[number - 3] == number - 3) }
        }
        #expect(table[80] == nil)
    }

    @Test(
        "in IPv6 a network of 64 bits is one",
        arguments: [
            ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false), ("2001:db8::1", "2001:db8::2", true),
            ("2001:db8::1", "2001:db8:0:0:ffff::1", true), ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true), ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false), ("", "", true), ("::x", "::", false),
        ]
    )
    func blocks(_ one: String, _ other: String, _ areOne: Bool) {
        #expect((AddressBlock(one) == AddressBlock(other)) == areOne)
    }

    @Test("this machine's own addresses are known")
    func loopback() {
        for own in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] { #expect(AddressBlock(own).isLoopback) }
        for other in ["192.0.2.1", "::2", "::ffff:192.0.2.1", "2001:db8::1", ""] { #expect(!AddressBlock(other).isLoopback) }
    }

    @Test("one line a second stands for all")
    func lines() {
        var lines = LineLimit()
        #expect(lines.count(now: start) == 1)
        for _ in 0..<1_000 { #expect(lines.count(now: start + .milliseconds(999)) == nil) }
        #expect(lines.count(now: start + .seconds(1)) == 1_001)
        #expect(lines.count(now: start + .seconds(1)) == nil)
    }
}
