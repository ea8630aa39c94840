package import GodwitCore

extension Engine {
    /// The store's format level.
    package func level() async throws(BrokerError) -> FormatLevel { try await level(.level) }

    /// Raises the store's format level to the newest: from then on versions that do not know it cannot open the store.
    /// - Returns: the level that it had.
    package func upgrade() async throws(BrokerError) -> FormatLevel { try await level(.upgrade) }

    private func level(_ command: Command) async throws(BrokerError) -> FormatLevel {
        guard case .level(let level) = try await ask(command) else { throw Self.mixedUp }
        return level
    }
}
