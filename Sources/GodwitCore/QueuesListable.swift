/// A store that lists the jobs of some queues without reading those of all others: for whoever may see a few among very many.
package protocol QueuesListable: Sendable {
    /// Jobs of these queues alone, by keyset paging. A query that names a queue finds it only if it is one of them.
    /// - Parameter queues: few: the store looks each of them up for every page.
    func list(_ query: JobQuery, within queues: [QueueName]) async throws(BrokerError) -> JobPage
}
