import GodwitCore

/// The names that queues can be given by HTTP: 1 to 200 of `[A-Za-z0-9._:@-]`. A queue that exists can be reached whatever its name.
enum QueueNames {
    static func parse(_ text: String, field: String = "queue") throws(Problem) -> QueueName {
        do throws(BrokerError) { return try QueueName(text) } catch { throw .invalid(field, error.message) }
    }

    static func isPlain(_ name: QueueName) -> Bool {
        name.description.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x3a, 0x40, 0x5f: true
            default: false
            }
        }
    }

    /// A queue that this request may bring into being.
    /// - Throws: ``Problem`` when the name has other characters and there is no such queue yet.
    static func creatable(_ name: QueueName, at broker: any Broker, field: String = "queue") async throws -> QueueName {
        if isPlain(name) { return name }
        guard try await broker.queue(name) == nil else { return name }
        throw Problem.invalid(field, "a new queue's name can have letters, digits and any of . _ : @ -, nothing else")
    }
}
