import GodwitCore
import GodwitEngine

/// Requests in short, for whoever reads what a seed does.
struct Trace: CustomStringConvertible {
    let request: SteppedEngine.Request
    let knowledge: Knowledge

    var description: String {
        switch request {
        case .commit(let transactions, let session):
            (session.map { "session \($0.id) \($0.number), acknowledged \($0.acknowledged)\($0.isRepeat ? ", repeated" : ""): " } ?? "")
                + transactions.map { "[" + $0.operations.map(text).joined(separator: "; ") + "]" }.joined(separator: " ")
        case .publish(let batch): "publish \(batch.count) to \(batch.queues.names.map(\.description).joined(separator: ","))"
        case .leaseBatch(let holder, let most):
            "lease a batch of \(most) of \(holder.queues.map(\.description).joined(separator: ",")) by \(holder.id)"
        case .complete(let batch): "complete a batch of \(batch.count)"
        case .lease(let holder, let most, let term, let wait):
            "lease \(most) of \(holder.queues.map(\.description).joined(separator: ",")) \(holder.order) by \(holder.id), \(term), wait \(wait)"
        case .renew(let renewals):
            "renew " + renewals.map { "\(job($0.token)) for \($0.term.map { "\($0)" } ?? "as before")" }.joined(separator: ", ")
        case .read(let ids): "read " + ids.map(job).joined(separator: ", ")
        case .payload(let id): "payload of \(job(id))"
        case .result(let id): "result of \(job(id))"
        case .records(let keys): "records " + keys.map(\.name).joined(separator: ", ")
        case .configure(let name, let settings, let expectation): "configure \(name) (\(expectation)): \(settings)"
        default: "\(request)"
        }
    }

    private func job(_ id: JobID) -> String { knowledge.numbers[id].map(ModelJob.name) ?? "?" }
    private func job(_ token: LeaseToken) -> String {
        knowledge.leases[token].map { "\(ModelJob.name(of: $0.number))/\($0.serial)" } ?? "?"
    }

    private func text(_ operation: GodwitCore.Operation) -> String {
        switch operation {
        case .enqueue(let message):
            "enqueue \(message.name ?? "?") in \(message.queue), \(message.payload.bytes.count) B, priority \(message.priority), \(message.start), "
                + "attempts \(message.maxAttempts.map(String.init) ?? "default"), expires \(message.expires.map { "\($0)" } ?? "never"), "
                + "key \(message.deduplication?.key ?? "none"), group \(message.group ?? "none"), claim \(message.claim ?? "none")"
                + message.onFinal.map { ", when \($0.when.names.joined(separator: " or ")) \(text($0.operation))" }.joined()
        case .complete(let token, let result): "complete \(job(token)), \(result?.bytes.count ?? 0) B"
        case .fail(let token, _, let retry): "fail \(job(token)), \(retry)"
        case .deadLetter(let token, _, let queue): "dead-letter \(job(token)) to \(queue?.description ?? "its queue's choice")"
        case .redrive(let id): "redrive \(job(id))"
        case .release(let token, let delay, let isCounted, let place, let headers):
            "release \(job(token)) to \(place) after \(delay ?? .zero), counted: \(isCounted), \(headers.count) headers"
        case .cancel(let id): "cancel \(job(id))"
        case .retry(let id): "retry \(job(id))"
        case .forget(let id): "forget \(job(id))"
        case .put(let key, _, let expectation, let lifetime):
            "put \(key.name) (\(expectation)) for \(lifetime.map { "\($0)" } ?? "ever")"
        case .add(let addition):
            "add \(addition.step) to \(addition.key.name), \(addition.amount) of \(addition.target)"
                + (addition.then.isEmpty ? "" : ", then " + addition.then.map(text).joined(separator: ", "))
        case .delete(let key, let expectation): "delete \(key.name) (\(expectation))"
        }
    }
}
