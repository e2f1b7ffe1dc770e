-- How well each model foretold weeks that it had not seen, and which one was taken.
-- grain: metric, dimension, member, model
-- inputs: int_forecasts
--
-- `wape` is the sum of all misses over the sum of all that came, over `weeks_tested` weeks ahead
-- from several origins. Where a model failed, `note` says of what, and it has no error;
-- nor has one that was `behind` in the two newest tests, which was not tested to the end.

with

final as (

    select
        metric,
        dimension,
        member,
        model,
        wape,
        is_chosen,
        weeks_tested,
        note
    from int_forecasts
    where week is null

)

select * from final
order by metric, dimension, member, model
