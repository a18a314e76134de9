-- The sketches of exchanges of several files, in the order of their exchanges: they lie row for row
-- beside them.
select sketches.*
from $sketches as sketches
join (
    select exchange_id, started_at
    from $exchanges
    where $piece
) as exchanges using (exchange_id)
order by exchanges.started_at, exchange_id
