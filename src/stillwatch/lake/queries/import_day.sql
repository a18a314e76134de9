-- One day of fresh exchanges.
select staged.* exclude (_ordinal)
from $staged as staged
where exists (select 1 from fresh where fresh._ordinal = staged._ordinal)
