import Godwit
import GodwitCore
import Testing

@Suite("Opening a store", .timeLimit(.minutes(1)))
struct OpeningTests {
    @Test(
        "a scheme that needs a trait names it, and that this version has none",
        arguments: [
            ("amqp://rabbit", "RabbitMQ"), ("amqps://user:secret@rabbit", "RabbitMQ"), ("redis://cache", "Redis"),
            ("rediss://cache", "Redis"), ("sqs://queue", "SQS"),
        ]
    )
    func traits(_ url: String, _ trait: String) async {
        let error = await #expect(throws: BrokerError.self) { try await JobClient.open(url) }
        #expect(error?.code == .unsupportedURL)
        #expect(error?.message.contains("trait \(trait), which does not exist in this version") == true)
        #expect(error?.message.contains("secret") == false)
    }

    #if Remote
    @Test("a server need not run when its URL is opened")
    func server() async throws {
        let client = try await JobClient.open("http://127.0.0.1:1", token: "secret", logger: quiet)
        #expect(!client.isEmbedded)
        await client.close()
    }

    @Test("a server's URL carries no secret")
    func secrets() async {
        let error = await #expect(throws: BrokerError.self) { try await JobClient.open("https://user:secret@jobs.example") }
        #expect(error?.field == "url" && error?.message.contains("secret@") == false && error?.message.contains("GODWIT_TOKEN") == true)
    }
    #else
    @Test("a server's URL needs a trait", arguments: ["http://127.0.0.1:8080", "https://jobs.example"])
    func server(_ url: String) async {
        let error = await #expect(throws: BrokerError.self) { try await JobClient.open(url) }
        #expect(error?.code == .unsupportedURL && error?.message.contains("trait Remote") == true)
    }
    #endif

    @Test("an engine in this process is bounded as its options say")
    func embedded() async throws {
        var options = EmbeddedOptions()
        options.createsQueues = false
        options.maxQueues = 1
        let client = try await JobClient.open("memory:", embedded: options, logger: quiet)
        #expect(try await #require(throws: BrokerError.self) { try await client.enqueue(Greet(who: "a")) }.code == .queueNotFound)
        try await client.configure(queue: "default") { $0.maxJobs = 10 }
        let more = try await #require(throws: BrokerError.self) { try await client.configure(queue: "b") { $0.maxJobs = 1 } }
        #expect(more.code == .tooLarge)
        try await client.enqueue(Greet(who: "a"))
        await client.close()
        options.maxMemoryBytes = 1
        let full = try await JobClient.open("memory:", embedded: options, logger: quiet)
        try await full.configure(queue: "default") { $0.maxJobs = 10 }
        #expect(try await #require(throws: BrokerError.self) { try await full.enqueue(Greet(who: "a")) }.code == .busy)
        await full.close()
        var none = EmbeddedOptions()
        none.maxQueues = 0
        let impossible = none
        let error = await #expect(throws: BrokerError.self) { try await JobClient.open("memory:", embedded: impossible) }
        #expect(error?.code == .invalidArgument && error?.field == "maxQueues")
    }

    @Test("a store in this process takes no token", arguments: ["memory:", "embedded:./data"])
    func token(_ url: String) async {
        let error = await #expect(throws: BrokerError.self) { try await JobClient.open(url, token: "secret") }
        #expect(error?.field == "token")
    }

    @Test("what is no URL of a store says what is", arguments: ["", "data", "file:./data", "embedded"])
    func unknown(_ url: String) async {
        let error = await #expect(throws: BrokerError.self) { try await JobClient.open(url) }
        #expect(error.map { $0.code == .unsupportedURL || $0.code == .invalidArgument } == true)
        #expect(error?.message.contains("embedded:") == true)
    }

    @Test(
        "an embedded store needs a path, without a host, and one in memory has none",
        arguments: ["embedded:", "embedded://./data", "embedded:///data", "memory:here"]
    )
    func paths(_ url: String) async {
        let error = await #expect(throws: BrokerError.self) { try await JobClient.open(url) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.field == "url")
    }

    @Test("what was enqueued is there when the store is opened again")
    func durable() async throws {
        try await withTemporaryFolder { folder in
            let client = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let id = try await client.enqueue(Greet(who: "you")).id
            await client.close()
            let again = try await JobClient.open("embedded:\(folder)", logger: quiet)
            #expect(try await again.handle(for: Greet.self, id: id).status.state == .queued)
            await again.close()
        }
    }

    @Test("one folder is opened once at a time")
    func locked() async throws {
        try await withTemporaryFolder { folder in
            let client = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let error = await #expect(throws: BrokerError.self) { try await JobClient.open("embedded:\(folder)", logger: quiet) }
            #expect(error?.code == .storeLocked)
            await client.close()
        }
    }

    @Test("after closing everything throws closed, and closing again does nothing")
    func closed() async throws {
        let client = try await JobClient.open("memory:", logger: quiet)
        let job = try await client.enqueue(Greet(who: "you"))
        await client.close()
        await client.close()
        #expect(await #expect(throws: BrokerError.self) { try await client.enqueue(Greet(who: "you")) }?.code == .closed)
        #expect(await #expect(throws: BrokerError.self) { try await job.status }?.code == .closed)
        #expect(await #expect(throws: BrokerError.self) { try await job.result() }?.code == .closed)
    }
}
