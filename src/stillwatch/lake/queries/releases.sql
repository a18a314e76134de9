-- When models became available, in order.
select model, released_at
from model_releases
where model is not null and released_at is not null
order by released_at, model
