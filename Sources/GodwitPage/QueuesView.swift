import GodwitCore
import GodwitHTTP

/// All queues at a glance.
enum QueuesView {
    static let options = ["contains", "sort", "from", "skip"]
    /// Queues on one page: each of its readers is sent all of them, as often as they change.
    static let most = 50
    /// Queues whose rates are summed up.
    private static let mostSampled = 1_000

    static func content(_ look: Look) async throws -> PageContent {
        let seenQueues = try await look.queues()
        let all = seenQueues.queues
        let order = try order(look)
        let found = order.arrange(all, containing: look["contains"])
        let wanted = try start(look, order) { from in
            found.firstIndex { !all[$0].name.description.utf8.lexicographicallyPrecedes(from.utf8) } ?? found.count
        }
        let start = min(wanted, found.count)
        let queues = found.dropFirst(start).prefix(most).map { all[$0] }
        // Of very many queues only those that are shown leave samples, for each look at each is kept for a while.
        let isSampled = all.count <= mostSampled
        let seen = look.environment.sampler.look(at: isSampled ? all : queues, isAll: seenQueues.isAll && isSampled)
        let rows: [View] = queues.map { row($0, seen[$0.name], look.now) }
        let next = found.dropFirst(start + most).first.map { address(look, order, from: start + most, all[$0].name) }
        let sorts: [View] = QueueOrder.allCases.map { ["sort": $0.rawValue, "choice": $0.label, "chosen": $0 == order] }
        let isFiltered = look["contains"] != nil
        return PageContent(
            title: "Queues",
            section: "queues",
            head: "find",
            template: "queues",
            view: [
                "tiles": tiles(all, isSampled ? seen : [:]), "columns": columns, "rows": rows, "empty": rows.isEmpty,
                "next": next.orFalse,
                "first": (start > 0 ? address(look, order) : nil).orFalse,
                "shown": "\(Formatting.count(rows.count)) of \(Formatting.count(found.count, "queue"))", "unfound": isFiltered,
                "restricted": !seenQueues.isAll, "blind": !look.access.isOperator,
                "contains": PageEscaping.attribute(look["contains"] ?? ""), "sorts": sorts,
            ],
            refresh: .every(.seconds(2))
        )
    }

    private static func order(_ look: Look) throws(Problem) -> QueueOrder {
        guard let text = look["sort"] else { return .name }
        guard let order = QueueOrder(rawValue: text) else {
            throw .invalid("sort", "sort must be one of \(QueueOrder.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return order
    }

    /// Where the page begins: in the order of names, which stay, at a name; else after so many others, for what they are sorted by changes.
    /// - Parameter place: of the first queue whose name is not before this one.
    private static func start(_ look: Look, _ order: QueueOrder, _ place: (String) -> Int) throws(Problem) -> Int {
        if order == .name { return look["from"].map(place) ?? 0 }
        guard let text = look["skip"] else { return 0 }
        guard let skip = Int(text), skip >= 0 else { throw .invalid("skip", "skip must be a number of queues") }
        return skip
    }

    private static func address(_ look: Look, _ order: QueueOrder, from place: Int = 0, _ name: QueueName? = nil) -> String {
        Address.path(
            "",
            [
                ("contains", look["contains"]), ("sort", order == .name ? nil : order.rawValue),
                ("from", order == .name ? name?.description : nil), ("skip", order == .name || place == 0 ? nil : String(place)),
            ]
        )
    }

    private typealias Seen = (rates: QueueRates?, depths: [Int])

    private static func tiles(_ queues: [QueueStatus], _ seen: [QueueName: Seen]) -> [View] {
        var counts = QueueStatus.Counts(), refused = 0
        // By their places: there may be very many, and each is large.
        for place in queues.indices {
            counts.queued += queues[place].counts.queued
            counts.running += queues[place].counts.running
            counts.scheduled += queues[place].counts.scheduled
            counts.retrying += queues[place].counts.retrying
            counts.failed += queues[place].counts.failed
            refused += queues[place].totals.refused
        }
        let rates = seen.values.compactMap(\.rates)
        let known = !rates.isEmpty
        return [
            Tile.view("Queued", Formatting.count(counts.queued), "ready to run"),
            Tile.view("Running", Formatting.count(counts.running), "in workers’ hands"),
            Tile.view("Waiting", Formatting.count(counts.scheduled + counts.retrying), "for their time"),
            Tile.view("Failed", Formatting.count(counts.failed), "kept for a look", kind: counts.failed > 0 ? "bad" : ""),
            Tile.view("In", known ? Formatting.rate(rates.reduce(0) { $0 + $1.published }) : "–", "jobs a second"),
            Tile.view("Out", known ? Formatting.rate(rates.reduce(0) { $0 + $1.ended }) : "–", "jobs a second"),
            Tile.view("Refused", Formatting.count(refused), "since the start", kind: refused > 0 ? "warn" : ""),
        ]
    }

    private static let columns: [View] = [
        "Depth", "Queued", "Running", "Retrying", "Scheduled", "Failed", "Expired", "Oldest", "In /s", "Out /s", "Wait", "Refused",
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
                kind: state == .failed || state == .expired ? "bad" : ""
            )
        }
        let rates = seen?.rates
        let oldest = queue.oldestQueued.map { Formatting.span(now - $0) }
        return [
            "name": queue.name.description, "link": Address.queue(queue.name), "paused": queue.isPaused,
            "line": Sparkline.points(seen?.depths ?? []).orFalse,
            "cells": [
                state("Queued", .queued), state("Running", .running), state("Retrying", .retrying), state("Scheduled", .scheduled),
                state("Failed", .failed), state("Expired", .expired), cell("Oldest", oldest ?? "–", isZero: oldest == nil),
                cell("In /s", rates.map { Formatting.rate($0.published) } ?? "–", isZero: (rates?.published ?? 0) == 0),
                cell("Out /s", rates.map { Formatting.rate($0.ended) } ?? "–", isZero: (rates?.ended ?? 0) == 0),
                cell("Wait", waiting(queue), isZero: !queue.isPaused && (queue.expectedWait ?? .zero) == .zero),
                cell("Refused", Formatting.count(queue.totals.refused), isZero: queue.totals.refused == 0, kind: "warn"),
            ] as [View],
        ]
    }

    /// How long a newcomer waits, as the engine expects it.
    static func waiting(_ queue: QueueStatus) -> String {
        if queue.isPaused { return "paused" }
        guard let wait = queue.expectedWait else { return "–" }
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
