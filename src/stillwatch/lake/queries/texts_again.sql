-- The requests of chosen exchanges, as they came, to be read a second time.
-- Reads the table `chosen` (place, exchange_id); place is where the caller wants the exchange.
select chosen.place, e.exchange_id, e.system_text, e.input_text
from exchanges e
join chosen on chosen.exchange_id = e.exchange_id
