import GodwitCore

/// `/metrics`: the queues' kept numbers, how long jobs take, the store's health, the server's own counts and the process'.
///
/// A queue is a label, and whoever may publish may make up queues: so only the busiest have series of their own. Their counters began with
/// the store's opening, so that a queue that comes or goes makes no jump in any of them.
struct MetricsPage {
    /// Queues with series of their own, and those of them whose times are shown, which are twenty series for one.
    static let mostQueues = 1_000
    static let mostTimedQueues = 100

    /// All queues.
    var queueCount: Int
    /// Those that are shown.
    var queues: [QueueStatus]
    /// Nil where the store does not say.
    var times: JobTimes?
    /// Whether the times of all queues together are shown, from which those of queues that somebody may not see could be told.
    var showsAllTimes = true
    /// Nil when the store can confirm changes.
    var failure: BrokerError?
    var isDraining: Bool
    var connections: Int
    var refusedConnections: Int
    var timeouts: Int
    var answers: [(statusClass: String, count: Int)]
    var process: ProcessStatistics
    var uptime: Duration
    var version: String
    var now: Timestamp

    /// The queues with the most publishes and deliveries since the store was opened, in that order.
    static func busiest(_ queues: [QueueStatus]) -> [QueueStatus] {
        // Their places are sorted: there may be very many, and each is large.
        var keys: [(turnover: Int, unfinished: Int, place: Int)] = []
        keys.reserveCapacity(queues.count)
        for place in queues.indices {
            let turnover = queues[place].totals.published + queues[place].totals.delivered
            keys.append((turnover, queues[place].counts.unfinished, place))
        }
        keys.sort { one, other in
            if one.turnover != other.turnover { return one.turnover > other.turnover }
            if one.unfinished != other.unfinished { return one.unfinished > other.unfinished }
            return queues[one.place].name < queues[other.place].name
        }
        return keys.prefix(mostQueues).map { queues[$0.place] }
    }

    var text: String {
        var page = PrometheusText()
        page.metric("godwit_build_info", .gauge, "The version that runs.", [(labels: [("version", version)], value: 1)])
        page.metric("godwit_store_healthy", .gauge, "Whether the store can confirm changes.", failure == nil ? 1 : 0)
        page.metric("godwit_draining", .gauge, "Whether the server is stopping.", isDraining ? 1 : 0)
        page.metric("godwit_queues", .gauge, "Queues.", Double(queueCount))
        page.metric("godwit_queues_listed", .gauge, "The busiest queues, which have samples of their own here.", Double(queues.count))
        addQueues(to: &page)
        addTotals(to: &page)
        if let times { addTimes(times, to: &page) }
        page.metric("godwit_http_connections", .gauge, "Open HTTP connections.", Double(connections))
        page.metric("godwit_http_connections_refused_total", .counter, "Connections over the limit.", Double(refusedConnections))
        page.metric("godwit_http_timeouts_total", .counter, "Connections closed because their client was too slow.", Double(timeouts))
        page.metric(
            "godwit_http_responses_total",
            .counter,
            "Answers, by the class of their status.",
            answers.map { (labels: [("status", $0.statusClass)], value: Double($0.count)) }
        )
        page.metric("godwit_uptime_seconds", .gauge, "How long the server has run.", uptime.inSeconds)
        page.metric(
            "process_start_time_seconds",
            .gauge,
            "When the server was started, in seconds since 1970.",
            Double(now.milliseconds) / 1_000 - uptime.inSeconds
        )
        page.metric("process_resident_memory_bytes", .gauge, "Memory in RAM.", process.residentBytes)
        page.metric("process_open_fds", .gauge, "Open files and sockets.", process.openFiles)
        page.metric("process_max_fds", .gauge, "The most files and sockets that may be open.", process.maximumFiles)
        page.metric("process_cpu_seconds_total", .counter, "Processor time, user and system.", process.processorSeconds)
        return page.text
    }

    private func addQueues(to page: inout PrometheusText) {
        page.metric(
            "godwit_queue_jobs",
            .gauge,
            "Jobs in a queue, by state.",
            queues.flatMap { queue in
                JobState.allCases.map {
                    (labels: [("queue", queue.name.description), ("state", $0.rawValue)], value: Double(queue.counts[$0]))
                }
            }
        )
        gauge(&page, "godwit_queue_bytes", "Bytes of a queue's unfinished jobs.") { Double($0.bytes) }
        gauge(&page, "godwit_queue_max_jobs", "The most unfinished jobs that a queue takes.") { Double($0.settings.maxJobs) }
        gauge(&page, "godwit_queue_max_bytes", "The most bytes of unfinished jobs that a queue takes.") { Double($0.settings.maxBytes) }
        gauge(&page, "godwit_queue_keys", "Idempotency keys that a queue remembers.") { Double($0.keys) }
        gauge(&page, "godwit_queue_max_keys", "The most idempotency keys that a queue remembers.") { Double($0.settings.dedupMax) }
        gauge(&page, "godwit_queue_paused", "Whether a queue's deliveries are stopped.") { $0.isPaused ? 1 : 0 }
        gauge(&page, "godwit_queue_oldest_queued_seconds", "Age of the job at a queue's head, 0 when none waits.") { queue in
            queue.oldestQueued.map { max(0, (now - $0).inSeconds) } ?? 0
        }
    }

    private func addTotals(to page: inout PrometheusText) {
        let totals: [(String, String, KeyPath<QueueStatus.Totals, Int>)] = [
            ("godwit_jobs_published_total", "Jobs published.", \.published),
            ("godwit_jobs_refused_total", "Publishes refused because there was no room: in the queue, in memory or on disk.", \.refused),
            ("godwit_jobs_duplicate_total", "Publishes that repeated an idempotency key.", \.duplicates),
            ("godwit_jobs_delivered_total", "Deliveries to workers.", \.delivered),
            ("godwit_jobs_succeeded_total", "Jobs completed.", \.succeeded),
            ("godwit_attempts_failed_total", "Attempts that failed.", \.failedAttempts),
            ("godwit_leases_expired_total", "Leases that expired.", \.leasesExpired),
            ("godwit_jobs_dropped_total", "Queued jobs that were dropped for newer ones.", \.dropped),
            ("godwit_jobs_failed_total", "Jobs that failed for good.", \.failed),
            ("godwit_jobs_expired_total", "Jobs that expired.", \.expired),
            ("godwit_jobs_dead_lettered_total", "Jobs whose dead letter went to another queue.", \.deadLettered),
        ]
        for (name, help, path) in totals {
            page.metric(
                name,
                .counter,
                help,
                queues.map { (labels: [("queue", $0.name.description)], value: Double($0.totals[keyPath: path])) }
            )
        }
    }

    private func addTimes(_ times: JobTimes, to page: inout PrometheusText) {
        if showsAllTimes { addAllTimes(times, to: &page) }
        page.histogram(
            "godwit_queue_wait_seconds",
            "From when a job was due to its delivery, in the busiest queues.",
            times.queues.map { (labels: [("queue", $0.name.description)], value: $0.wait) }
        )
        page.histogram(
            "godwit_queue_run_seconds",
            "From a job's delivery to what its worker said of it, in the busiest queues.",
            times.queues.map { (labels: [("queue", $0.name.description)], value: $0.run) }
        )
    }

    private func addAllTimes(_ times: JobTimes, to page: inout PrometheusText) {
        page.metric("godwit_store_bytes", .gauge, "Bytes of the store's files.", Double(times.diskBytes))
        page.metric("godwit_store_max_bytes", .gauge, "The most that they may have (--max-disk).", times.maxDiskBytes.map(Double.init))
        page.histogram(
            "godwit_publish_confirm_seconds",
            "From a publishing request's arrival at the engine until its jobs are on disk.",
            [(labels: [], value: times.confirm)]
        )
        page.histogram("godwit_job_wait_seconds", "From when a job was due to its delivery.", [(labels: [], value: times.wait)])
        page.histogram("godwit_job_run_seconds", "From a job's delivery to what its worker said of it.", [(labels: [], value: times.run)])
    }

    private func gauge(_ page: inout PrometheusText, _ name: String, _ help: String, _ value: (QueueStatus) -> Double) {
        page.metric(name, .gauge, help, queues.map { (labels: [("queue", $0.name.description)], value: value($0)) })
    }
}
