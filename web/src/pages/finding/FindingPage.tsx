import { FindingView } from "~/findings/FindingView";
import { PageHeader } from "~/shell/PageHeader";
import { finding } from "./route";

export function FindingPage() {
  const { id } = finding.useParams();
  const { tab = "evidence" } = finding.useSearch();
  const navigate = finding.useNavigate();
  return (
    <>
      <PageHeader title="Finding" sub={id} />
      <div className="min-h-0 flex-1 overflow-auto bg-surface">
        <FindingView
          id={id}
          page
          tab={tab}
          onTab={(next) => void navigate({ search: { tab: next }, replace: true })}
        />
      </div>
    </>
  );
}
