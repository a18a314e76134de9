-- Take out staged rows that say nothing but what a row of the history says, which has been
-- corrected since: somebody imports an older file once more.
delete from every_row
where rowid in (
    select told.rowid
    from every_row as told
    join every_row as stored using ($keys)
    join $history as earlier using ($keys)
    -- The history may show a domain in clear of which the staged row holds the token.
    left join import_domains on import_domains.token = told.$domain
    where told._ordinal <> -1
        and stored._ordinal = -1
        and $as_earlier
        and not ($as_stored)
)
