-- Each exchange once, the earliest of its id: a log shipped twice must not count twice.
select *
from exchanges_shipped
qualify row_number() over (partition by exchange_id order by started_at, account_id) = 1
