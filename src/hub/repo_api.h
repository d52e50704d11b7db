// What the hub's API says about a revision.
#pragma once

#include "hub/file_list.h"
#include "hub/http_client.h"

namespace mainspring::hub {

// GET /api/models/{repo}/revision/{rev} and /api/models/{repo}/tree/{commit}?recursive=1; for a mirror without the tree
// call, sizes and hashes come from HEAD requests on the files.
Snapshot fetch_snapshot(HttpClient& http, const HubConfig& config, const ModelRef& ref);
std::string file_url(const HubConfig& config, const std::string& repo, const std::string& commit,
                     const std::string& path);

}  // namespace mainspring::hub
