-- How many keys of a table have more than one row.
select count(*)
from (select 1 from $source group by $keys having count(*) > 1)
