-- Rows that this commit can join. Of an id that comes this often some are enough: clients chose it,
-- and every one of its rows would meet every one of its exchanges.
create or replace temp table network_rows as
select *, count(*) over (partition by request_id) > $most as is_crowded
from ($network)
qualify row_number() over (partition by request_id order by started_at) <= $most
