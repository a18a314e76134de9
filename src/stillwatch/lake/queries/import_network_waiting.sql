-- How many requests of proxies' logs have no exchange yet.
select count(distinct seen.request_id)
from ($network) as seen
where not exists (
    select 1
    from (
        select unnest([sent_id, request_id]) as known_id
        from ($exchanges)
        where network_log is not null
    )
    where known_id = seen.request_id
)
and not exists (select 1 from network_joined where network_joined.request_id = seen.request_id)
