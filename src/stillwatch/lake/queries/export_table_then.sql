-- The rows of a small table as they were known at a moment: of each key the row that held then, if
-- an import has taken its place since.
copy (
    select $values
    from $today as today
    left join (
        select *
        from $history
        where superseded_at >= $moment
        qualify row_number() over (partition by $key order by superseded_at) = 1
    ) as earlier using ($key)
    where $was_there
    order by $key
)
to $target (format parquet, compression zstd)
