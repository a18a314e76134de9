-- The accounts as they were known at a moment: of each the row that held then, if an import has
-- taken its place since.
copy (
    select $values
    from $today as today
    left join (
        select *
        from $history
        where superseded_at >= timestamptz $moment
        qualify row_number() over (partition by account_id order by superseded_at) = 1
    ) as earlier using (account_id)
    order by account_id
)
to $target (format parquet, compression zstd)
