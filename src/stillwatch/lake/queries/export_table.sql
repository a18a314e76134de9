-- One table, or one day of it, in an order that does not depend on how it came.
copy (select * from $source order by $order)
to $target (format parquet, compression zstd)
