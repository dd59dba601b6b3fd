/* fake_hub.h - the collector behind the HTTP server, replaced at link time: hub.h, view.h, store.h and
 * entry_json.h with a small world that a test can move by hand. Services "shop" and "blog@staging"; cells of
 * both; agents; deploys and purges as they are posted. */
#ifndef TESTS_FAKE_HUB_H
#define TESTS_FAKE_HUB_H

#include "collector/http/http.h"

struct hub *fake_hub_new(void); /* the one world, as at its beginning */
struct hub *fake_hub(void);     /* the same world, as it is now */
void fake_hub_free(void);

/* Puts a deploy there, without a POST. */
void fake_deploy(const char *id, const char *service, const char *version, enum verdict v);
/* Changes its verdict and tells the listener, as the writer does after the fold. */
void fake_verdict(const char *id, enum verdict v);
void fake_cell_state(size_t i, enum cell_state s);
size_t fake_cell_count(void);
void fake_add_cell(const char *service, const char *endpoint, const char *edge, const char *vendor);
void fake_tell(enum change_kind kind, int64_t position, uint32_t seq, const char *service, const char *json);
void fake_position(int64_t position); /* of the journal, as a server that starts now finds it */

void fake_submit_result(int code, const char *text); /* what hub_submit() says; 0: takes it */
void fake_submit_hold(bool hold);                    /* while held, hub_submit() does not return */
void fake_submit_lost(bool lost);                    /* it takes it, and says that time was over */
size_t fake_submits_waiting(void);
size_t fake_submits(void); /* taken */
void fake_ready(int code, const char *text);
void fake_reload(int code, const char *text);
size_t fake_reloads(void);
void fake_store_result(int code, const char *text); /* of reading a history */

#endif
