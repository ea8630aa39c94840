import ArgumentParser
import Foundation
import GodwitCore

/// The command line: `godwit`.
@main
struct GodwitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "godwit",
        abstract: "Durable background jobs: publish them, run them, watch them finish.",
        discussion: """
            Start a server, publish a job, let a command run it:

              godwit serve
              godwit publish thumbnails '{"photo": "cat.jpg"}'
              godwit work thumbnails -- ./make-thumbnail

            Commands reach the server at http://127.0.0.1:8080, or at --server or $GODWIT_SERVER, with the token of --token-file, \
            $GODWIT_TOKEN or $GODWIT_TOKEN_FILE. With --data DIR they work on a folder that no server holds.

            Exit codes: 0 done; 1 the job failed, or the request was refused; 64 wrong usage; 65 a store or a backup is damaged; \
            69 the server cannot be reached, or the folder cannot be opened; 73 what was to be made is there already; 75 the queue is full, or what was asked for is not there yet; \
            78 a newer version wrote the store, or its restore was cut short.

            Completions: `godwit --generate-completion-script bash|zsh|fish`.
            """,
        version: GodwitVersion.current,
        subcommands: [
            ServeCommand.self, PublishCommand.self, WorkCommand.self, StatusCommand.self, ResultCommand.self, PayloadCommand.self,
            CancelCommand.self, RetryCommand.self, RedriveCommand.self, ForgetCommand.self, JobsCommand.self, QueuesCommand.self,
            QueueCommand.self, CounterCommand.self, SchedulesCommand.self, WorkersCommand.self, ReadyCommand.self,
            BackupCommand.self, RestoreCommand.self, CheckCommand.self, RepairCommand.self, InspectCommand.self,
            UpgradeCommand.self, ExportCommand.self, ImportCommand.self, CronCommand.self, BenchCommand.self,
        ]
    )

    static func main() async {
        Output.ignoreBrokenPipes()
        var asJSON = false
        do {
            var command = try parseAsRoot(WorkCommand.arguments(Array(CommandLine.arguments.dropFirst())))
            asJSON = (command as? any StoreCommand)?.output.json ?? false
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch is Output.BrokenPipe {
            Output.endByBrokenPipe()
        } catch let failure as CommandFailure {
            Output.report(failure, asJSON: asJSON)
            Foundation.exit(failure.exit.rawValue)
        } catch let error as BrokerError {
            let failure = CommandFailure(error)
            Output.report(failure, asJSON: asJSON)
            Foundation.exit(failure.exit.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}
