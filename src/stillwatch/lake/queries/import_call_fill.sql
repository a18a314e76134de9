-- Exchanges with what the events of their calls say, where they say nothing themselves.
select rows.* $exclude, $filled
from $rows as rows
left join $told as told on told.exchange_id = rows.exchange_id
