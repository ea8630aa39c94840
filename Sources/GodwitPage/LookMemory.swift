import GodwitCore
import Synchronization

/// What one reader of a page that is kept up to date was shown: what cannot have changed since is not read again.
final class LookMemory: Sendable {
    private let known = Mutex<(version: Version, view: View)?>(nil)

    /// What was made of a job at this version, or is made of it now.
    func view(of version: Version, _ make: () async throws -> View) async rethrows -> View {
        if let known = known.withLock({ $0 }), known.version == version { return known.view }
        let view = try await make()
        known.withLock { $0 = (version, view) }
        return view
    }
}
