import GodwitCore

/// What is remembered of a holder from one call for jobs to the next; as if it were new when it is forgotten.
struct HolderMemory {
    /// The queues that it named, and their numbers in a table of that version: a thousand names are not looked up each time.
    var names: [QueueName]
    var numbers: [UInt32]
    var version: Int
    var turns: Turns?
}
