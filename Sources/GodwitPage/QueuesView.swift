import GodwitCore
import GodwitHTTP

/// All queues at a glance.
enum QueuesView {
    static let options = ["from"]
    /// Queues on one page.
    static let most = 200
    /// Queues whose rates are summed up.
    private static let mostSampled = 1_000

    static func content(_ look: Look) async throws -> PageContent {
        let (all, isAll) = try await look.queues()
        let rest = look["from"].map { from in all.drop { !QueueOrder.isAtOrAfter($0.name, from) } } ?? all[...]
        let queues = rest.prefix(most)
        // Of very many queues only those that are shown leave samples, for each look at each is kept for a while.
        let isSampled = all.count <= mostSampled
        let seen = look.environment.sampler.look(at: isSampled ? all : Array(queues), isAll: isAll && isSampled)
        let rows: [View] = queues.map { row($0, seen[$0.name], look.now) }
        let next = rest.count > most ? Address.path("", [("from", rest[rest.startIndex + most].name.description)]) : nil
        return PageContent(
            title: "Queues",
            section: "queues",
            template: "queues",
            view: [
                "tiles": tiles(all, isSampled ? seen : [:]), "columns": columns, "rows": rows, "empty": rows.isEmpty, "next": next.orFalse,
                "first": look["from"] != nil, "shown": "\(Formatting.count(rows.count)) of \(Formatting.count(all.count, "queue"))",
                "restricted": !isAll, "blind": !look.access.isOperator,
            ],
            refresh: .every(.seconds(2))
        )
    }

    private typealias Seen = (rates: QueueRates?, depths: [Int])

    private static func tiles(_ queues: [QueueStatus], _ seen: [QueueName: Seen]) -> [View] {
        func sum(_ path: KeyPath<QueueStatus.Counts, Int>) -> Int { queues.reduce(0) { $0 + $1.counts[keyPath: path] } }
        let rates = seen.values.compactMap(\.rates)
        let known = !rates.isEmpty
        let failed = sum(\.failed), refused = queues.reduce(0) { $0 + $1.totals.refused }
        return [
            Tile.view("Queued", Formatting.count(sum(\.queued)), "ready to run"),
            Tile.view("Running", Formatting.count(sum(\.running)), "in workers’ hands"),
            Tile.view("Waiting", Formatting.count(sum(\.scheduled) + sum(\.retrying)), "for their time"),
            Tile.view("Failed", Formatting.count(failed), "kept for a look", kind: failed > 0 ? "bad" : ""),
            Tile.view("In", known ? Formatting.rate(rates.reduce(0) { $0 + $1.published }) : "–", "jobs a second"),
            Tile.view("Out", known ? Formatting.rate(rates.reduce(0) { $0 + $1.ended }) : "–", "jobs a second"),
            Tile.view("Refused", Formatting.count(refused), "since the start", kind: refused > 0 ? "warn" : ""),
        ]
    }

    private static let columns: [View] = [
        "Depth", "Queued", "Running", "Retrying", "Scheduled", "Failed", "Oldest", "In /s", "Out /s", "Wait", "Refused",
    ].map { ["label": $0, "isText": $0 == "Depth"] }

    private static func row(_ queue: QueueStatus, _ seen: Seen?, _ now: Timestamp) -> View {
        func state(_ label: String, _ state: JobState) -> View {
            let count = queue.counts[state]
            let link = Address.path("jobs", [("queue", queue.name.description), ("state", state.rawValue)])
            return cell(
                label,
                Formatting.count(count),
                isZero: count == 0,
                to: count == 0 ? nil : link,
                kind: state == .failed ? "bad" : ""
            )
        }
        let rates = seen?.rates
        let oldest = queue.oldestQueued.map { Formatting.span(now - $0) }
        return [
            "name": queue.name.description, "link": Address.queue(queue.name), "paused": queue.isPaused,
            "line": Sparkline.points(seen?.depths ?? []).orFalse,
            "cells": [
                state("Queued", .queued), state("Running", .running), state("Retrying", .retrying), state("Scheduled", .scheduled),
                state("Failed", .failed), cell("Oldest", oldest ?? "–", isZero: oldest == nil),
                cell("In /s", rates.map { Formatting.rate($0.published) } ?? "–", isZero: (rates?.published ?? 0) == 0),
                cell("Out /s", rates.map { Formatting.rate($0.ended) } ?? "–", isZero: (rates?.ended ?? 0) == 0),
                cell("Wait", waiting(rates), isZero: (rates?.wait ?? .zero) == .zero),
                cell("Refused", Formatting.count(queue.totals.refused), isZero: queue.totals.refused == 0, kind: "warn"),
            ] as [View],
        ]
    }

    static func waiting(_ rates: QueueRates?) -> String {
        guard let wait = rates?.wait else { return "–" }
        return wait == .zero ? "none" : wait < .seconds(1) ? "<1 s" : Formatting.span(wait)
    }

    private static func cell(_ label: String, _ value: String, isZero: Bool, to: String? = nil, kind: String = "") -> View {
        ["label": label, "value": value, "to": to.orFalse, "kind": isZero ? "zero" : kind]
    }
}

/// A number that is worth being seen from afar.
enum Tile {
    static func view(_ label: String, _ value: String, _ note: String, kind: String = "", to: String? = nil) -> View {
        ["label": label, "value": value, "note": note, "kind": kind, "to": to.orFalse]
    }
}

/// How deep a queue was at the last looks, as a line of 60 by 16.
enum Sparkline {
    /// The line's points; nil when there are too few.
    static func points(_ depths: [Int]) -> String? {
        guard depths.count > 1, let most = depths.max() else { return nil }
        let step = 60.0 / Double(max(depths.count - 1, 1))
        return depths.enumerated().map { index, depth in
            let y = 15 - 14 * Double(depth) / Double(max(most, 1))
            return "\((Double(index) * step * 10).rounded() / 10),\((y * 10).rounded() / 10)"
        }.joined(separator: " ")
    }
}

private enum QueueOrder {
    /// Queues stand in the order of their names' bytes.
    static func isAtOrAfter(_ name: QueueName, _ from: String) -> Bool {
        !name.description.utf8.lexicographicallyPrecedes(from.utf8)
    }
}
