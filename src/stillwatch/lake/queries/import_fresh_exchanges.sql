-- The staged exchanges that the lake does not have yet: of each id the first that came, and one
-- that is told by events alone only where no other has its id.
create or replace temp table fresh as
select coalesce(
    min(staged_ids._ordinal) filter (where not staged_ids._of_events),
    min(staged_ids._ordinal)
) as _ordinal
from staged_ids
where not exists (
    select 1 from stored_ids where stored_ids.exchange_id = staged_ids.exchange_id
)
group by staged_ids.exchange_id
