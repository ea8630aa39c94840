import Foundation
package import GodwitCore

extension RemoteBroker: TicketGiving {
    package func watchURL(of job: JobID, lifetime: Duration) async throws(BrokerError) -> String {
        let seconds = lifetime.inMilliseconds / 1_000
        guard (1...604_800).contains(seconds) else { throw .invalidArgument("lifetime", "lifetime must be 1s to 7d") }
        let answer = try await ask(.post, "/v1/jobs/\(job.description.pathComponent)/ticket?lifetime=\(seconds)s", .harmless)
        guard let ticket = try? JSONDecoder().decode(Ticket.self, from: Data(answer.body)),
            let url = URL(string: ticket.url, relativeTo: URL(string: url.description))
        else {
            throw BrokerError(.unavailable, "the server gave an answer that is no ticket: see that it is a Godwit server of this version")
        }
        return url.absoluteString
    }

    /// What of the answer counts.
    private struct Ticket: Decodable {
        var url: String
    }
}
