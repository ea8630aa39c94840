import Synchronization

/// Waits for an answer in a place of a lane; a task that is cancelled meanwhile leaves it.
///
/// - Parameters:
///   - takePlace: puts who waits into the lane and answers the place's number, 0 where it was refused.
///   - leave: gives a place up, if that can still be; 0 is none.
nonisolated(nonsending) func withPlace<Answer: Sendable>(
    _ takePlace: (CheckedContinuation<Answer, Never>) -> UInt64,
    leave: @Sendable (UInt64) -> Void
) async -> Answer {
    let place = Atomic<UInt64>(0)
    return await withTaskCancellationHandler {
        await withCheckedContinuation { waiter in
            let number = takePlace(waiter)
            place.store(number, ordering: .sequentiallyConsistent)
            // It may have been cancelled before its place was known.
            if Task.isCancelled { leave(number) }
        }
    } onCancel: {
        leave(place.load(ordering: .sequentiallyConsistent))
    }
}
