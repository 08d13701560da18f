/* What a fleet keeps for a successor: in its state file, or where both supervisors reach it. See
 * fleet_control_internal.h. */
#include "supervisor/fleet_control_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum { SAVE_EVERY_MS = 10000 };

void fleet_control_keep_state(struct fleet_control *control)
{
    const struct fleet_control_options *options = &control->options;
    struct strbuf text = STRBUF_INIT;
    (void)state_text_write(options->fleet->name, control->controller, clock_product_ms(), &text);
    const char *error = options->keep_state(options->arg, options->fleet, strbuf_str(&text));
    control->saves += error == NULL;
    control->save_failures += error != NULL;
    (void)err_set(&control->save_error, "%s", error != NULL ? error : "");
    strbuf_clean_up(&text);
}

void fleet_control_save_state(struct fleet_control *control, enum state_file_care care)
{
    struct err err = {.text = ""};
    const struct fleet_control_options *options = &control->options;
    if (!control->started)
        return;
    if (options->keep_state != NULL) {
        fleet_control_keep_state(control);
        return;
    }
    if (control->disowned || (options->owns_state_dir != NULL && !options->owns_state_dir(options->arg)))
        return; /* the owner of the lock looks after that */
    if (control->state_stuck) {
        control->save_failures++;
        control->save_error = control->restore_error;
        return;
    }
    bool was_failing = control->save_error.text[0] != '\0';
    if (state_file_save(control->options.config->state_dir, control->options.fleet->name, control->controller,
                        clock_product_ms(), care, &control->written, &err) == 0) {
        control->saves++;
        if (was_failing)
            LOG(LOG_INFO, "the state file can be written again",
                LOG_STR("fleet", control->options.fleet->name));
        control->save_error.text[0] = '\0';
        return;
    }
    control->save_failures++;
    if (!was_failing)
        LOG(LOG_ERROR, "cannot write the state file; a restart now would not know what was desired",
            LOG_STR("fleet", control->options.fleet->name), LOG_STR("error", err.text));
    control->save_error = err;
}

int64_t fleet_control_save_every_ms(const struct fleet_control *control)
{
    return control->options.keep_state != NULL ? control->options.keep_every_ms : SAVE_EVERY_MS;
}

/* Nothing of what a predecessor left could be used. */
static void hold_shrinks(struct fleet_control *control, const struct err *err)
{
    int64_t hold_ms = controller_timing(control->controller).scale_in_after_ms;
    control->restore_error = *err;
    controller_hold_shrink(control->controller, clock_product_ms(), hold_ms);
}

static void tell_restored(const struct fleet_control *control)
{
    LOG(LOG_INFO, "restored the saved state", LOG_STR("fleet", control->options.fleet->name),
        LOG_INT("desired", controller_desired(control->controller)));
}

/* What the supervisor that led before us kept where both can reach it. */
static bool restore_kept(struct fleet_control *control, const char *kept)
{
    struct err err = {.text = ""};
    const char *name = control->options.fleet->name;
    if (kept == NULL) {
        LOG(LOG_INFO, "there is no shared state of this fleet yet", LOG_STR("fleet", name),
            LOG_INT("desired", controller_desired(control->controller)));
        return false;
    }
    if (state_text_restore(kept, strlen(kept), control->controller, &err) == 0) {
        tell_restored(control);
        return true;
    }
    hold_shrinks(control, &err);
    LOG(LOG_ERROR, "the shared state of this fleet is of no use, shrinks are held", LOG_STR("fleet", name),
        LOG_STR("error", err.text));
    return false;
}

static bool restore_file(struct fleet_control *control)
{
    const char *name = control->options.fleet->name;
    struct err err = {.text = ""};
    switch (state_file_load(control->options.config->state_dir, name, control->controller, &err)) {
    case STATE_FILE_NONE:
        LOG(LOG_INFO,
            control->options.fleet->type == FLEET_ECS
                ? "no saved state, starting at the service's desired count"
                : "no saved state, starting at min",
            LOG_STR("fleet", name), LOG_INT("desired", controller_desired(control->controller)));
        break;
    case STATE_FILE_RESTORED:
        tell_restored(control);
        return true;
    case STATE_FILE_STUCK:
        control->state_stuck = true;
        LOG(LOG_ERROR, "the saved state is of no use and cannot be put aside: the state is not saved",
            LOG_STR("fleet", name), LOG_STR("error", err.text));
        hold_shrinks(control, &err);
        break;
    case STATE_FILE_BAD:
        hold_shrinks(control, &err);
        LOG(LOG_ERROR, "the saved state is of no use, it is kept as .bad: starting at min, shrinks are held",
            LOG_STR("fleet", name), LOG_STR("error", err.text),
            LOG_INT("desired", controller_desired(control->controller)));
        break;
    }
    return false;
}

bool fleet_control_restore_state(struct fleet_control *control, const char *kept)
{
    return control->options.keep_state != NULL ? restore_kept(control, kept) : restore_file(control);
}
