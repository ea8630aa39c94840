import HTTPTestSupport
import Testing

@testable import GodwitServer

@Suite("Who gets a connection")
struct ConnectionSharesTests {
    private let one = AddressBlock("192.0.2.1"), other = AddressBlock("2001:db8::1"), own = AddressBlock("127.0.0.1")

    @Test("one address gets half of them, unless it is this machine's own")
    func half() {
        var shares = ConnectionShares(limit: 10)
        for _ in 0..<5 { #expect(shares.enter(one) == .served) }
        #expect(shares.enter(one) == .refused(.address))
        #expect(shares.enter(other) == .served)
        shares.leave(one, .served)
        #expect(shares.enter(one) == .served)
        for _ in 0..<4 { #expect(shares.enter(own) == .served) }
        #expect(shares.enter(own) == .refused(.crowd))
        shares.leave(other, .served)
        #expect(shares.enter(own) == .served)
    }

    @Test("or as many as is said, wherever it is")
    func said() {
        var shares = ConnectionShares(limit: 10, ofAddress: 2)
        for block in [one, own] {
            for _ in 0..<2 { #expect(shares.enter(block) == .served) }
            #expect(shares.enter(block) == .refused(.address))
        }
    }

    @Test("those who are refused are few: the others are not even told")
    func refused() {
        var shares = ConnectionShares(limit: 8)
        for _ in 0..<4 {
            #expect(shares.enter(one) == .served)
            #expect(shares.enter(other) == .served)
        }
        for _ in 0..<2 { #expect(shares.enter(other) == .refused(.crowd)) }
        #expect(shares.enter(other) == .dropped)
        shares.leave(other, .dropped)
        #expect(shares.enter(one) == .dropped)
        shares.leave(other, .refused(.crowd))
        #expect(shares.enter(one) == .refused(.crowd))
        shares.leave(one, .served)
        shares.leave(one, .refused(.crowd))
        #expect(shares.enter(other) == .refused(.address), "it has its half")
        #expect(shares.enter(AddressBlock("192.0.2.3")) == .served)
        var many = ConnectionShares(limit: 10_000, ofAddress: 1)
        _ = many.enter(one)
        for _ in 0..<ConnectionShares.mostRefused { #expect(many.enter(one) == .refused(.address)) }
        #expect(many.enter(one) == .dropped)
    }

    @Test("an address with all its connections is told so, and gets one again when it has closed one")
    func served() async throws {
        var options = ServerOptions()
        options.maxConnectionsPerAddress = 2
        try await TestServer.run(options) { server in
            var open: [HTTPConnection] = []
            for _ in 0..<2 {
                let connection = try await server.connect()
                try await connection.request("GET", "/healthz")
                #expect(try await connection.reply().status == 200)
                open.append(connection)
            }
            let refused = try await server.get("/healthz")
            #expect(refused.status == 503)
            #expect(try refused.json["code"].string == "too_many_connections")
            #expect(try refused.json["detail"].string?.contains("max_connections_per_address") == true)
            try await open[0].close()
            try await server.eventually { try await server.get("/healthz").status == 200 }
        }
    }

    @Test("a crowd is refused without keeping its descriptors")
    func crowd() async throws {
        var options = ServerOptions()
        options.maxConnectionsPerAddress = 1
        try await TestServer.run(options) { server in
            let first = try await server.connect()
            try await first.request("GET", "/healthz")
            #expect(try await first.reply().status == 200)
            // Faster than those who are told so go again, as long as the machine keeps up.
            let count = 4 * ConnectionShares.mostRefused
            let crowd = try await withThrowingTaskGroup(of: HTTPConnection.self) { group in
                for _ in 0..<count { group.addTask { try await server.connect() } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            var told = 0
            for connection in crowd {
                if (try? await connection.reply().status) == 503 { told += 1 }
                #expect(try await connection.isClosedByServer(within: .seconds(10)))
            }
            #expect(told >= ConnectionShares.mostRefused)
            #expect(told < count, "the others were closed without a word")
            try await first.close()
            // As long as its place is taken it may be dropped, too.
            try await server.eventually { (try? await server.get("/healthz").status) == 200 }
        }
    }
}
