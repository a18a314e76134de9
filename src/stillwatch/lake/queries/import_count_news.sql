-- How many merged rows say what no stored row says.
select count(*)
from (
    select $columns from merged
    except
    select $columns from every_row where _ordinal = -1
)
