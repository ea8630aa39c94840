// `import Godwit` shows the vocabulary that its API speaks: JobID, JobState, JobProgress, BrokerError.
@_exported public import GodwitCore
