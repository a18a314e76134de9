-- A day's rows of a proxy's log that the lake does not have yet, each once, in a fixed order.
select staged.* exclude (_ordinal)
from ($staged) as staged
where not exists (
    select 1
    from ($stored) as stored
    where stored.request_id = staged.request_id
        and stored.started_at = staged.started_at
        and stored.client_ip is not distinct from staged.client_ip
)
qualify row_number() over (
    partition by staged.request_id, staged.started_at, staged.client_ip order by staged._ordinal
) = 1
order by staged.started_at, staged.request_id, staged.client_ip
