-- Blocks of the log that were pruned from the table, a row each. Replace ARCHIVE by the bucket.
-- A commit is the JSON text that leftfold_epochs has columns for.
CREATE EXTERNAL TABLE leftfold_segments (
  firstposition bigint,
  nextposition bigint,
  format int,
  previoushash string,
  hash string,
  categories array<string>,
  previousinlane array<array<bigint>>,
  commits array<string>
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('case.insensitive' = 'true')
STORED AS TEXTFILE
LOCATION 's3://ARCHIVE/segments/'
