import ArgumentParser
import GodwitCore
import GodwitEngine
import GodwitHTTP

/// `godwit upgrade`.
struct UpgradeCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade",
        abstract: "Let a closed store hold what this version of Godwit added to the format.",
        discussion: """
            A store keeps the format level of the version that made it, so that this version can still open it: what needs a newer level is \
            refused (store_outdated). This command raises the level to the newest that this version knows. Nothing is written anew, but \
            versions that do not know the level cannot open the store from then on; the way back is a backup.

            Without --yes it says what it would do, and changes nothing.

              godwit backup --data ./godwit-data before.tar
              godwit upgrade ./godwit-data --yes

            Exit codes: 0 the store is of the newest level; 1 it is not, and --yes was not given; 65 it is damaged; 69 it is in use, or cannot \
            be opened; 78 a newer version wrote it.
            """
    )

    @Argument(help: "The store's folder.", completion: .directory)
    var folder: String

    @Flag(help: "Do it.")
    var yes = false

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let files = try StoreFiles(folder, archivesToo: false)
        let examination = try files.examine()
        Output.endProgress()
        let before = examination.level
        if before < .newest {
            guard examination.isSound else {
                throw CommandFailure.damaged("\(files.path) is damaged, and nothing was changed: `godwit check` says where")
            }
            if yes { try await upgrade(files.path) }
        }
        try report(files.path, before)
        guard yes || before == .newest else {
            throw CommandFailure.failed(
                "\(files.path) is of level \(before), and nothing was changed: take a backup, then add --yes",
                code: "not_upgraded"
            )
        }
    }

    private func upgrade(_ path: String) async throws {
        let engine = try await Engine.open(directory: path, options: Folder.quietOptions)
        do {
            _ = try await engine.upgrade()
        } catch {
            await engine.close()
            throw error
        }
        await engine.close()
    }

    private func report(_ path: String, _ before: FormatLevel) throws {
        let after = yes ? FormatLevel.newest : before
        guard !output.json else {
            return try Output.line(
                JSONWriter.text { json in
                    json.object { json in
                        json.member("path", path)
                        json.member("level_before", before.rawValue)
                        json.member("level", after.rawValue)
                        json.member("newest_level", FormatLevel.newest.rawValue)
                    }
                }
            )
        }
        guard before < .newest else { return try Output.line("\(path) is of format level \(before), the newest: there is nothing to do") }
        let outlook = "Versions that do not know level \(FormatLevel.newest) "
        try Output.line(
            yes
                ? "\(path) was raised from format level \(before) to \(after). \(outlook)cannot open it any more"
                : "\(path) would be raised from format level \(before) to \(FormatLevel.newest). \(outlook)could not open it any more"
        )
    }
}
