-- How many exchanges got something from events, are made of them, and how many events wait.
select
    (select count(*) from call_matches where has_news),
    (
        select count(*)
        from $calls
        where _ordinal in (select _ordinal from fresh)
    ),
    (select coalesce(sum(events), 0)::bigint from call_waiting)
