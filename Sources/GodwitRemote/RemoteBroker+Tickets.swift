import Foundation
package import GodwitCore

extension RemoteBroker: TicketGiving {
    package func watchURL(of job: JobID, lifetime: Duration) async throws(BrokerError) -> String {
        let seconds = lifetime.inMilliseconds / 1_000
        guard (1...604_800).contains(seconds) else { throw .invalidArgument("lifetime", "lifetime must be 1s to 7d") }
        let path = "/v1/jobs/\(job.description.pathComponent)"
        let answer = try await ask(.post, "\(path)/ticket?lifetime=\(seconds)s", .harmless)
        guard let ticket = try? JSONDecoder().decode(Ticket.self, from: Data(answer.body)) else {
            throw BrokerError(.unavailable, "the server gave an answer that is no ticket: see that it is a Godwit server of this version")
        }
        // As this client reaches the server: what stands before the path may be a proxy's, of which the server knows nothing.
        return "\(url)\(path)/events?ticket=\(ticket.ticket)"
    }

    /// What of the answer counts.
    private struct Ticket: Decodable {
        var ticket: String
    }
}
