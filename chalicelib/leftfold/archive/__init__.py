"""The archive on S3: closed epochs, old blocks of the log, and reading them again."""
