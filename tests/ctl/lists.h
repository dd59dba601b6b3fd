/* lists.h - what a collector has to say of two services, a deploy and two agents. */
#ifndef TESTS_CTL_LISTS_H
#define TESTS_CTL_LISTS_H

#define SERVICES                                                                                             \
	"{\"items\":[{\"name\":\"shop\",\"interval_s\":30,\"current\":{\"version\":\"v2\",\"deploy\":\"d_"   \
	"1\","                                                                                               \
	"\"live_at\":\"2026-03-01T10:00:00Z\"},\"rolling\":null,\"cells\":{\"fresh\":16,\"stale\":1,"        \
	"\"silent\":1},"                                                                                     \
	"\"verdict\":\"failed\",\"verdict_version\":\"v2\",\"endpoints\":[{\"id\":\"version\"}],\"agents\":" \
	"6},{\"name\":\"pay\",\"current\":null,\"cells\":{},\"verdict\":"                                    \
	"null,\"agents\":0}],\"next\":null}"
#define DEPLOYS                                                                                              \
	"{\"items\":[{\"id\":\"d_2\",\"service\":\"shop\",\"version\":\"v2\",\"verdict\":\"failed\","        \
	"\"started_at\":\"2026-03-01T10:00:00Z\",\"propagation\":{\"converged_share\":0.889}}],\"next\":"    \
	"\"d_2\"}"
#define AGENTS                                                                                               \
	"{\"items\":[{\"name\":\"fra-1\",\"region\":\"eu\",\"state\":\"connected\",\"last_result\":null,"    \
	"\"software\":\"tidemark-agent/"                                                                     \
	"0.1.0\",\"results\":1234,\"clock_suspect\":false},{\"name\":\"nrt-1\",\"region\":\"ap\","           \
	"\"state\":\"silent\",\"last_result\":\"2026-03-01T10:00:00Z\",\"results\":7,\"clock_suspect\":"     \
	"true}],\"next\":null}"

#endif
