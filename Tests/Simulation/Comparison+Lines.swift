import GodwitCore
import GodwitEngine

/// How the orders of the engine's queues differ from the model's.
///
/// Of two states that a crash may have left, all answers can be the same, and the order be another: a job that was retried just before a
/// crash is retried at once after it, behind what came in between. What is leased next tells them apart, so the model is told now.
extension Comparison {
    static func difference(_ lines: [QueueName: SteppedEngine.Line], _ reference: Reference) -> String? {
        let (model, knowledge) = (reference.live, reference.knowledge)
        for (name, line) in lines.sorted(by: { $0.key < $1.key }) {
            let places = model.unfinishedInOrder(name).map(\.number), ready = model.ready(name, most: .max).map(\.number)
            if let what = difference(line.places, places, "the order of all jobs", name, knowledge) { return what }
            if let what = difference(line.ready, ready, "the line", name, knowledge) { return what }
        }
        return nil
    }

    private static func difference(
        _ ids: [JobID],
        _ expected: [Int],
        _ what: String,
        _ name: QueueName,
        _ knowledge: Knowledge
    ) -> String? {
        guard ids.count != expected.count || !zip(ids, expected).allSatisfy({ knowledge.ids[$1] == $0 }) else { return nil }
        func text(_ numbers: [Int?]) -> String { numbers.map { $0.map(ModelJob.name) ?? "?" }.joined(separator: " ") }
        return "the queue \(name): \(what) is \(text(ids.map { knowledge.numbers[$0] })), not \(text(expected))"
    }
}
