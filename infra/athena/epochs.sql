-- Archived commits of all streams, a row each. Replace ARCHIVE by the bucket; then load the
-- partitions with: MSCK REPAIR TABLE leftfold_epochs
CREATE EXTERNAL TABLE leftfold_epochs (
  format int,
  kind string,
  aggregateid string,
  sequencenumber bigint,
  events array<struct<name:string,version:int,body:string>>,
  commandid string,
  bodyhash string,
  at string,
  actor string,
  authority string,
  correlationid string,
  traceparent string,
  tags array<string>,
  root array<string>,
  source array<string>,
  deps array<array<string>>,
  epoch bigint,
  epochstart bigint
)
PARTITIONED BY (tenant string, category string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('case.insensitive' = 'true')
STORED AS TEXTFILE
LOCATION 's3://ARCHIVE/epochs/'
