-- One day of fresh exchanges, in an order that does not depend on how they came.
select staged.* exclude (_ordinal)
from $staged as staged
where exists (select 1 from fresh where fresh._ordinal = staged._ordinal)
order by staged.started_at, staged.exchange_id
