/* handlers.h - what routes[] points at. Each answers r; w is NULL in the mhd thread. */
#ifndef HTTP_HANDLERS_H
#define HTTP_HANDLERS_H

#include "collector/http/server.h"

/* api_read.c */
void handle_services(struct request *r, struct worker *w);
void handle_cells(struct request *r, struct worker *w);
void handle_cell(struct request *r, struct worker *w);
void handle_deploys(struct request *r, struct worker *w);
void handle_deploy(struct request *r, struct worker *w); /* with ?wait= */
void handle_propagation(struct request *r, struct worker *w);
void handle_deploy_cells(struct request *r, struct worker *w);
void handle_purges(struct request *r, struct worker *w);
void handle_purge(struct request *r, struct worker *w);
void handle_agents(struct request *r, struct worker *w);
/* api_write.c */
void handle_deploy_post(struct request *r, struct worker *w);
void handle_deploy_patch(struct request *r, struct worker *w);
void handle_purge_post(struct request *r, struct worker *w);
void handle_purge_patch(struct request *r, struct worker *w);
void handle_event_post(struct request *r, struct worker *w);
void handle_agent_post(struct request *r, struct worker *w);
void handle_agent_delete(struct request *r, struct worker *w);
void handle_agent_rotate(struct request *r, struct worker *w);
/* history.c */
void handle_history(struct request *r, struct worker *w);
void handle_evidence(struct request *r, struct worker *w);
/* deploy_history.c */
void handle_deploy_history(struct request *r, struct worker *w);
/* incidents.c */
void handle_incidents(struct request *r, struct worker *w);
void handle_incident(struct request *r, struct worker *w);
/* status.c */
void handle_status_summary(struct request *r, struct worker *w);
void handle_status_status(struct request *r, struct worker *w);
void handle_status_components(struct request *r, struct worker *w);
void handle_status_incidents(struct request *r, struct worker *w);
/* metrics.c */
void handle_metrics(struct request *r, struct worker *w);
/* ops.c */
void handle_healthy(struct request *r, struct worker *w);
void handle_ready(struct request *r, struct worker *w);
void handle_reload(struct request *r, struct worker *w);
void handle_openapi(struct request *r, struct worker *w);
void handle_page(struct request *r, struct worker *w);

/* Of api_read.c, for its neighbours. deploy_service and purge_find return false with err set; cell_service
 * has answered. */
bool deploy_service(struct http *h, struct str id, struct buf *ret_service, struct err *err);
bool cell_service(struct request *r, struct buf *ret);
/* Is there a cell by the names in the path? False with err set. */
bool cell_is_known(struct request *r, struct str service, struct err *err);
/* One answer's headers as an object, and which of them told what. */
void add_evidence(struct buf *b, const struct cell_evidence *ev);
/* "incidents":[..] as Statuspage writes them, newest first; a comma before it. page: its title. */
void incidents_feed(struct http *h, bool unresolved, struct str page, struct buf *out);
void status_add_id(struct buf *b, struct str name);
void status_add_millis(struct buf *b, int64_t at_us);
bool purge_find(struct http *h, struct str id, struct buf *ret_object, struct err *err);

#endif
